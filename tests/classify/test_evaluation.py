"""The figures of ken classify --labels, against scikit-learn and, for intervals, against NumPy."""
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
N_IMAGES, WORDS = 400, ["dress", "hat", "shirt", "shoes", "shorts", "skirt", "pants"]


@pytest.fixture(scope="session")
def made(ken, tmp_path_factory):
    """A collection of made-up vectors near the words' embeddings, and which word each is near."""
    import subprocess

    folder = tmp_path_factory.mktemp("evaluation")
    texts = sum((["--text", w] for w in WORDS), [])
    subprocess.run([ken, "embed", "--model", "demo", *texts, "-o", "t.parquet", "-q"], cwd=folder, check=True)
    photo = next((ROOT / "examples/photos/hat").iterdir())
    subprocess.run([ken, "embed", "--model", "demo", photo, "-o", "p.parquet", "-q"], cwd=folder, check=True)
    t = np.array(pq.read_table(folder / "t.parquet")["embedding"].to_pylist())
    rng = np.random.default_rng(11)
    near = rng.integers(len(WORDS), size=N_IMAGES)
    x = t[near] + rng.normal(size=(N_IMAGES, t.shape[1])) * 1.6 / np.sqrt(t.shape[1])
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"image {i}" for i in range(N_IMAGES)]
    table = pa.table({"id": ids, "path": ids, "embedding": pa.array(list(x), pa.list_(pa.float32()))})
    path = folder / "made.parquet"
    pq.write_table(table.replace_schema_metadata(pq.read_schema(folder / "p.parquet").metadata), path)
    return path, near


def ok(result, code=0):
    assert result.code == code, result
    return result


def write_rules(path, threshold, multiple):
    rules = {"version": 1, "threshold": threshold, "multiple": multiple, "none_label": "nothing",
             "categories": {w: {"positive": [w]} for w in WORDS}}
    path.write_text(json.dumps(rules))


def write_labels(path, labels):
    path.write_text("id,label\n" + "".join(f"image {i},{name}\n" for i, names in enumerate(labels) for name in names))


def scores_and_matches(run, tmp_path, collection):
    """[n, K] scores, [n, K] matches and the best match (or K) of each image, from the rows."""
    ok(run("classify", "rules.yaml", collection, "--model", "demo", "--all", "-o", "all.parquet", "-q"))
    ok(run("classify", "rules.yaml", collection, "--model", "demo", "-o", "matched.parquet", "-q"))
    scores = np.zeros((N_IMAGES, len(WORDS)))
    matched = np.zeros((N_IMAGES, len(WORDS)), bool)
    best = np.full(N_IMAGES, len(WORDS))
    for row in pq.read_table(tmp_path / "all.parquet").to_pylist():
        if row["rank"]:
            scores[int(row["id"].split()[1]), WORDS.index(row["category"])] = row["score"]
    for row in pq.read_table(tmp_path / "matched.parquet").to_pylist():
        if row["rank"]:
            image, category = int(row["id"].split()[1]), WORDS.index(row["category"])
            matched[image, category] = True
            if row["rank"] == 1:
                best[image] = category
    return scores, matched, best


def figures(run, collection, *options):
    return json.loads(ok(run("classify", "rules.yaml", collection, "--model", "demo", "--labels", "l.csv", "--json",
                             "-o", "rows.csv", "--format", "json", *options)).out)


def test_one_label_an_image_agrees_with_scikit_learn(run, tmp_path, made):
    collection, near = made
    rng = np.random.default_rng(3)
    truth = np.where(rng.random(N_IMAGES) < 0.2, rng.integers(len(WORDS), size=N_IMAGES), near)
    write_rules(tmp_path / "rules.yaml", 0.54, False)
    write_labels(tmp_path / "l.csv", [[WORDS[t]] for t in truth])
    scores, _, best = scores_and_matches(run, tmp_path, collection)
    assert 20 < (best == len(WORDS)).sum() < 0.8 * N_IMAGES  # some images match nothing
    got = figures(run, collection, "--clip-benchmark", "cb.json")
    every = list(range(len(WORDS)))
    assert got["accuracy"] == pytest.approx(metrics.accuracy_score(truth, best), abs=1e-9)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, best, labels=every, zero_division=0)
    for i, c in enumerate(got["classes"][:len(WORDS)]):
        assert c["label"] == WORDS[i] and c["is_category"] and c["n_labelled"] == support[i]
        assert c["precision"] == pytest.approx(precision[i], abs=1e-9)
        assert c["recall"] == pytest.approx(recall[i], abs=1e-9)
        assert c["f1"] == pytest.approx(f1[i], abs=1e-9)
        ap = metrics.average_precision_score(truth == i, scores[:, i])
        assert c["average_precision"] == pytest.approx(ap, abs=1e-9)
    assert got["macro_f1"] == pytest.approx(f1.mean(), abs=1e-9)
    assert got["micro_f1"] == pytest.approx(metrics.f1_score(truth, best, labels=every, average="micro"), abs=1e-9)
    assert got["mean_per_class_recall"] == pytest.approx(recall.mean(), abs=1e-9)
    ap = metrics.average_precision_score(np.eye(len(WORDS))[truth], scores, average="macro")
    assert got["mean_average_precision"] == pytest.approx(ap, abs=1e-9)
    assert got["acc1"] == pytest.approx(metrics.top_k_accuracy_score(truth, scores, k=1), abs=1e-9)
    assert got["acc5"] == pytest.approx(metrics.top_k_accuracy_score(truth, scores, k=5), abs=1e-9)
    balanced = metrics.balanced_accuracy_score(truth, scores.argmax(1))
    assert got["acc1_mean_per_class_recall"] == pytest.approx(balanced, abs=1e-9)
    confusion = metrics.confusion_matrix(truth, best, labels=every + [len(WORDS)])
    assert np.array_equal(got["confusion"], confusion)
    written = json.loads((tmp_path / "cb.json").read_text())
    assert list(written) == ["dataset", "model", "pretrained", "task", "metrics", "language"]
    assert (written["dataset"], written["task"], written["language"]) == ("made", "zeroshot_classification", "en")
    assert written["metrics"] == {"acc1": got["acc1"], "acc5": got["acc5"], "mean_per_class_recall": pytest.approx(balanced),
                                  "mean_average_precision": got["mean_average_precision"]}


def test_several_labels_an_image_agree_with_scikit_learn(run, tmp_path, made):
    collection, near = made
    rng = np.random.default_rng(5)
    truth = np.eye(len(WORDS), dtype=bool)[near] | (rng.random((N_IMAGES, len(WORDS))) < 0.1)
    write_rules(tmp_path / "rules.yaml", 0.5, True)
    write_labels(tmp_path / "l.csv", [[WORDS[j] for j in np.flatnonzero(row)] for row in truth])
    scores, matched, _ = scores_and_matches(run, tmp_path, collection)
    got = figures(run, collection, "--clip-benchmark", "cb.json")
    assert got["several_labels"] and got["confusion"] is None and got["acc1"] is None
    assert got["accuracy"] == pytest.approx(metrics.accuracy_score(truth, matched), abs=1e-9)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, matched, zero_division=0)
    for i, c in enumerate(got["classes"][:len(WORDS)]):
        assert c["n_labelled"] == support[i] and c["n_predicted"] == matched[:, i].sum()
        assert c["precision"] == pytest.approx(precision[i], abs=1e-9)
        assert c["recall"] == pytest.approx(recall[i], abs=1e-9)
        assert c["f1"] == pytest.approx(f1[i], abs=1e-9)
    assert got["micro_f1"] == pytest.approx(metrics.f1_score(truth, matched, average="micro"), abs=1e-9)
    assert got["macro_f1"] == pytest.approx(metrics.f1_score(truth, matched, average="macro"), abs=1e-9)
    ap = metrics.average_precision_score(truth, scores, average="macro")
    assert got["mean_average_precision"] == pytest.approx(ap, abs=1e-9)
    assert json.loads((tmp_path / "cb.json").read_text())["metrics"] == {
        "mean_average_precision": got["mean_average_precision"]}


def splitmix(key, index):
    with np.errstate(over="ignore"):
        z = np.uint64(key) + (np.asarray(index, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def test_intervals_are_those_of_numpy(run, tmp_path, made):
    """The same resamples, drawn and counted again in NumPy and scikit-learn."""
    collection, truth = made
    write_rules(tmp_path / "rules.yaml", 0.54, False)
    write_labels(tmp_path / "l.csv", [[WORDS[t]] for t in truth])
    scores, _, best = scores_and_matches(run, tmp_path, collection)
    got = figures(run, collection, "--bootstrap", "200", "--seed", "42")["intervals"]
    assert (got["n_resamples"], got["n_images"], got["seed"], got["level"]) == (200, N_IMAGES, 42, 0.95)
    accuracy, recall, ap = [], [], []
    for key in splitmix(42, np.arange(200)):
        picked = (splitmix(key, np.arange(N_IMAGES)) >> np.uint64(32)) * np.uint64(N_IMAGES) >> np.uint64(32)
        picked = picked.astype(int)
        accuracy.append(np.mean(truth[picked] == best[picked]))
        recall.append(metrics.recall_score(truth[picked], best[picked], labels=range(len(WORDS)), average="macro"))
        ap.append(metrics.average_precision_score(np.eye(len(WORDS))[truth[picked]], scores[picked]))
    for name, values in (("accuracy", accuracy), ("mean_per_class_recall", recall), ("mean_average_precision", ap)):
        assert got[name] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=1e-9)
    assert figures(run, collection, "--bootstrap", "0")["intervals"] is None


# ---- what goes wrong -------------------------------------------------------------------------------


def test_labels_that_name_nothing_are_listed_and_counted(run, tmp_path, made):
    collection, near = made
    write_rules(tmp_path / "rules.yaml", 0.54, False)
    (tmp_path / "l.csv").write_text("id,label\nimage 1,hat\nimage 2,hta\nimage 3,sofa\nx1,hat\nx2,hat\nx3,hat\nx4,hat\n")
    result = ok(run("classify", "rules.yaml", collection, "--model", "demo", "--labels", "l.csv", "-o", "rows.csv"))
    assert "4 labelled ids are not among the images: 'x1', 'x2', 'x3' and more" in result.err
    assert "2 labels are no category, and right when nothing matches: 'hta' (1 images; did you mean 'hat'?)" in result.err
    assert "of 3 labelled images" in result.out
    got = figures(run, collection)
    assert (got["n_unused_labels"], got["unused_labels"]) == (4, ["x1", "x2", "x3"])
    assert [c["label"] for c in got["classes"] if not c["is_category"]] == ["nothing", "hta", "sofa"]


def test_one_class_only_is_said(run, tmp_path, made):
    collection, _ = made
    write_rules(tmp_path / "rules.yaml", 0.54, False)
    write_labels(tmp_path / "l.csv", [["hat"]] * 10)
    result = ok(run("classify", "rules.yaml", collection, "--model", "demo", "--labels", "l.csv", "-o", "rows.csv"))
    assert "every labelled image has the label 'hat'" in result.err


def test_labels_of_no_image(run, tmp_path, made):
    collection, _ = made
    write_rules(tmp_path / "rules.yaml", 0.54, False)
    (tmp_path / "l.csv").write_text("id,label\nx1,hat\n")
    result = ok(run("classify", "rules.yaml", collection, "--model", "demo", "--labels", "l.csv"), 65)
    assert "'l.csv': labels none of the 400 images" in result.err and "such as 'image 0'" in result.err


@pytest.mark.parametrize("rows, message", [
    (0, "'l.csv': labels none of the 0 images"),
    (1, "row 0"),
])
def test_no_rows_and_vectors_that_are_not_numbers(run, tmp_path, made, rows, message):
    collection, _ = made
    table = pq.read_table(collection)
    vector = [float("nan")] + [0.5] * (len(table["embedding"][0]) - 1)
    bad = pa.table({"id": ["a"], "path": ["a"], "embedding": pa.array([vector], pa.list_(pa.float32()))}).slice(0, rows)
    pq.write_table(bad.replace_schema_metadata(table.schema.metadata), tmp_path / "bad.parquet")
    write_rules(tmp_path / "rules.yaml", 0.54, False)
    (tmp_path / "l.csv").write_text("id,label\na,hat\n")
    result = ok(run("classify", "rules.yaml", "bad.parquet", "--model", "demo", "--labels", "l.csv"), 65)
    assert message in result.err, result


def test_usage(run, made):
    result = ok(run("classify", "r.yaml", "x.parquet", "--clip-benchmark", "a.json"), 2)
    assert "'--clip-benchmark' needs '--labels' or '--folders-as-labels'" in result.err
    result = ok(run("classify", "r.yaml", "x.parquet", "--folders-as-labels", "--clip-benchmark", "a", "-o", "a",
                    "--format", "csv"), 2)
    assert "two outputs cannot both be 'a'" in result.err
