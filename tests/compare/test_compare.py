"""ken compare from the outside: figures by scikit-learn, p by SciPy, intervals by NumPy."""
import csv
import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import metrics

N_RESAMPLES, SEED = 500, 7


def ok(result, code=0):
    assert result.code == code, result
    return result


def one_line(result, code, *parts):
    assert result.code == code, result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result


@pytest.fixture(scope="session")
def vectors(ken, root, tmp_path_factory):
    """The example photos as a collection."""
    import subprocess
    folder = tmp_path_factory.mktemp("compare")
    subprocess.run([ken, "embed", "--model", "demo", root / "examples/photos", "-o", "c.parquet", "-q"], cwd=folder,
                   check=True)
    return folder / "c.parquet"


@pytest.fixture
def work(root, vectors, tmp_path):
    """Two rules files and the collection in the current folder."""
    shutil.copy(vectors, tmp_path)
    rules = (root / "examples/clothes.yaml").read_text()
    (tmp_path / "a.yaml").write_text(rules)
    (tmp_path / "b.yaml").write_text(rules.replace("threshold: 0\n", "threshold: 0.1\n"))
    return tmp_path


def answers(run, *how):
    """The answer of each id, as ken classify gives it."""
    rows = json.loads(ok(run("classify", *how, "c.parquet", "--json", "-q")).out)
    return {row["id"]: row["label"] for row in rows if row["rank"] < 2}


def splitmix(key, index):
    with np.errstate(over="ignore"):
        z = np.asarray(key, np.uint64) + (np.asarray(index, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def test_figures_tests_and_intervals(run, work):
    ok(run("probe", "train", "c.parquet", "--folders-as-labels", "--c", "0.1", "-o", "h.safetensors", "-q"))
    got = json.loads(ok(run("compare", "a.yaml", "h.safetensors", "b.yaml", "c.parquet", "--folders-as-labels", "--json",
                            "--bootstrap", N_RESAMPLES, "--seed", SEED)).out)
    how = {"a.yaml": ["a.yaml"], "b.yaml": ["b.yaml"], "h.safetensors": ["--head", "h.safetensors"]}
    ids = pq.read_table(work / "c.parquet")["id"].to_pylist()
    truth = [name.split("/")[-2] for name in ids]
    kinds = sorted(set(truth))
    answer = {name: answers(run, *arguments) for name, arguments in how.items()}
    right = {name: np.array([answer[name][i] == t for i, t in zip(ids, truth)]) for name in how}
    assert got["n_compared"] == len(ids) and got["n_left_out"] == 0
    assert [e["name"] for e in got["entries"]] == ["a.yaml", "b.yaml", "h.safetensors"]
    best = max(how, key=lambda name: right[name].sum())
    assert got["reference"] == best == "h.safetensors"
    p = {}
    for e in got["entries"]:
        name = e["name"]
        assert e["accuracy"] == pytest.approx(right[name].mean())
        predicted = [answer[name][i] for i in ids]
        assert e["macro_f1"] == pytest.approx(
            metrics.f1_score(truth, predicted, labels=kinds, average="macro", zero_division=0))
        assert e["difference"] == pytest.approx(right[name].mean() - right[best].mean())
        b, c = (right[name] & ~right[best]).sum(), (right[best] & ~right[name]).sum()
        assert (e["n_only_this"], e["n_only_reference"]) == (b, c)
        exact = stats.binomtest(int(b), int(b + c)).pvalue if b + c else 1
        assert e["p_exact"] == pytest.approx(exact)
        p[name] = e["p_mid"]
        assert e["p_mid"] == pytest.approx(exact - stats.binom.pmf(min(b, c), b + c, 0.5) if b != c else 1)
        draws = [splitmix(splitmix(SEED, r), np.arange(len(ids))) for r in range(N_RESAMPLES)]
        draws = [((d >> np.uint64(32)) * np.uint64(len(ids)) >> np.uint64(32)).astype(int) for d in draws]
        differences = [(right[name][d].astype(int) - right[best][d]).mean() for d in draws]
        assert [e["difference_low"], e["difference_high"]] == pytest.approx(np.percentile(differences, [2.5, 97.5]))
    smaller, larger = sorted(["a.yaml", "b.yaml"], key=p.get)
    holm = {e["name"]: e["p_holm"] for e in got["entries"]}
    assert holm[smaller] == pytest.approx(min(1, 2 * p[smaller]))
    assert holm[larger] == pytest.approx(max(holm[smaller], p[larger]))


def test_only_images_that_all_have(run, work):
    table = pq.read_table(work / "c.parquet")
    pq.write_table(table.slice(5), work / "later.parquet")
    ids = table["id"].to_pylist()
    (work / "l.csv").write_text("id,label\n" + "".join(f"{i},{i.split('/')[-2]}\n" for i in ids[:50]) + "elsewhere,hat\n")
    result = ok(run("compare", "a.yaml", "c.parquet", "later.parquet", "--labels", "l.csv", "--format", "csv"))
    assert "1 labelled id is not among the images, such as 'elsewhere'" in result.err
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert [row["name"] for row in rows] == ["c.parquet", "later.parquet"]
    assert rows[0]["accuracy"] == rows[1]["accuracy"] and float(rows[1]["p_holm"]) == 1
    table = ok(run("compare", "a.yaml", "c.parquet", "later.parquet", "--labels", "l.csv")).out
    assert "45 labelled images that all have; 5 labelled ones that some lack and 30 without a label are left out" in table


def test_models_on_images(run, work, root):
    result = ok(run("compare", "demo", "demo:int8", "--data", root / "examples/photos", "--folders-as-labels", "--json",
                    "-o", "out.json"))
    assert result.out == ""
    got = json.loads((work / "out.json").read_text())
    a, b = got["entries"]
    assert (a["name"], a["precision"], b["precision"]) == ("demo", "s16", "int8")
    assert a["embed_seconds_per_1000"] > 0 and b["model_bytes"] * 2 == a["model_bytes"]
    assert a["memory_bytes"] > 20e6
    # Labels as classes: the same as a zero-shot list of the folders' names.
    kinds = sorted(p.name for p in (root / "examples/photos").iterdir() if p.is_dir())
    zero_shot = ok(run("classify", "--classes", ",".join(kinds), root / "examples/photos", "--model", "demo",
                       "--folders-as-labels", "--clip-benchmark", "z.json", "-q", "-o", "z.csv"))
    assert json.loads((work / "z.json").read_text())["metrics"]["acc1"] == pytest.approx(a["accuracy"]), zero_shot
    models = ok(run("compare", "a.yaml", root / "examples/photos", "-m", "demo", "-m", "demo:f32",
                    "--folders-as-labels")).out
    assert "demo:f32" in models and "a.yaml" not in models and "others" in models


def test_the_same_for_any_number_of_threads(run, work):
    def figures(threads):
        got = json.loads(ok(run("compare", "a.yaml", "b.yaml", "c.parquet", "--folders-as-labels", "--json", "--threads",
                                threads)).out)
        return [{k: v for k, v in e.items() if "seconds" not in k} for e in got["entries"]]

    assert figures(1) == figures(3)


def test_against_the_first(run, work):
    got = json.loads(ok(run("compare", "b.yaml", "a.yaml", "c.parquet", "--folders-as-labels", "--json", "--against", "first",
                            "--bootstrap", "0")).out)
    assert got["reference"] == "b.yaml" and got["entries"][1]["difference_low"] is None


def test_usage(run, work, root):
    labels = "--folders-as-labels"
    for arguments, part in [
            (["a.yaml", "c.parquet", labels], "only one thing to compare"),
            (["a.yaml", "b.yaml", labels], "no collection and no images"),
            (["a.yaml", "b.yaml", "c.parquet"], "give '--labels FILE' or '--folders-as-labels'"),
            (["a.yaml", "b.yaml", "c.parquet", labels, "-o", "b.yaml"], "is also an input"),
            (["a.yaml", "b.yaml", "c.parquet", labels, "-o", "x.pdf"], "names a format"),
            (["a.yaml", "b.yaml", "c.parquet", labels, "--template", "{}"], "'--template' is for labels"),
            (["a.yaml", "b.yaml", "c.parquet", labels, "--json", "--format", "csv"], "cannot both be given")]:
        result = run("compare", *arguments)
        assert result.code == 2 and part in result.err, result


def test_bad_input(run, work):
    labels = "--folders-as-labels"
    one_line(run("compare", "a.yaml", "gone.yaml", "c.parquet", labels), 66, "'gone.yaml'")
    (work / "bad.yaml").write_text("version: 1\ncategories: {}\n")
    one_line(run("compare", "a.yaml", "bad.yaml", "c.parquet", labels), 65, "bad.yaml:2")
    one_line(run("compare", "a.yaml", "b.yaml", "c.parquet", "--labels", "gone.csv"), 66, "'gone.csv'")
    (work / "l.csv").write_text("id,label\nnobody,hat\n")
    one_line(run("compare", "a.yaml", "b.yaml", "c.parquet", "--labels", "l.csv"), 65, "labels none of the 80 images")
    # A collection of another model is refused with both identities.
    table = pq.read_table(work / "c.parquet")
    other = {**table.schema.metadata, b"ken.weights_sha256": b"0" * 64}
    pq.write_table(table.replace_schema_metadata(other), work / "other.parquet")
    one_line(run("compare", "a.yaml", "c.parquet", "other.parquet", labels), 65, "weights_sha256", "0" * 64)
    ok(run("probe", "train", "c.parquet", labels, "-o", "h.safetensors", "-q", "--c", "1"))
    one_line(run("compare", "h.safetensors", "h.safetensors", "other.parquet", labels), 65, "weights_sha256")
    pq.write_table(table.replace_schema_metadata(other), work / "other2.parquet")
    one_line(run("compare", "h.safetensors", "other.parquet", "other2.parquet", labels), 65,
             "'h.safetensors' is for none of the models that are compared")
    x = np.array(table["embedding"].to_pylist())
    x[3, 0] = np.nan
    column = pa.array(list(x.astype(np.float32)), table.schema.field("embedding").type)
    at = table.schema.get_field_index("embedding")
    pq.write_table(table.set_column(at, table.schema.field(at), column), work / "nan.parquet")
    one_line(run("compare", "a.yaml", "b.yaml", "nan.parquet", labels), 65, "nan.parquet")


def test_a_picture_that_cannot_be_read_is_left_out(run, work, root):
    shutil.copytree(root / "examples/photos/hat", work / "p/hat")
    shutil.copytree(root / "examples/photos/shoes", work / "p/shoes")
    (work / "p/hat/broken.jpg").write_bytes(b"no picture")
    result = ok(run("compare", "demo", "demo:f32", "--data", "p", "--folders-as-labels"), 1)
    assert "2 images could not be read" in result.err and "16 labelled images that all have" in result.out
