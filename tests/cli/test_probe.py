"""ken probe from the outside: the head is the minimum of its objective, the split is fair, and the
answers are those of an independent computation."""
import csv
import json

import numpy
import pytest

def read_head(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name in ("weight", "bias"):
        begin, end = header[name]["data_offsets"]
        tensors[name] = numpy.frombuffer(data[8 + size + begin:8 + size + end], "<f4").reshape(
            header[name]["shape"]).astype(numpy.float64)
    return tensors["weight"], tensors["bias"], header["__metadata__"]


def softmax(logits):
    p = numpy.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


@pytest.fixture
def clothes(run, photos, tmp_path):
    """The example photos as a collection, their ids, vectors and folders."""
    assert run("embed", "--model", "demo", photos, "-o", "c.parquet", "-q").code == 0
    import pyarrow.parquet
    table = pyarrow.parquet.read_table(tmp_path / "c.parquet")
    ids = table["id"].to_pylist()
    x = numpy.array(table["embedding"].to_pylist(), numpy.float64)
    return ids, x, [name.split("/")[-2] for name in ids]


def one_line(result, code, *parts):
    assert result.code == code, result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result


def test_the_head_is_the_minimum(run, clothes, tmp_path):
    ids, x, folders = clothes
    result = run("probe", "train", "c.parquet", "--folders-as-labels", "--c", "2", "-o",
                 "h.safetensors", "--json")
    assert result.code == 0, result
    report = json.loads(result.out)
    weight, bias, metadata = read_head(tmp_path / "h.safetensors")
    labels = json.loads(metadata["ken.labels"])
    assert labels == sorted(set(folders)) and report["n_train"] == len(ids)
    y = numpy.array([labels.index(folder) for folder in folders])
    p = softmax(x @ weight.T + bias)
    loss = -numpy.log(p[numpy.arange(len(y)), y]).mean()
    l2 = 1 / (2 * len(y))
    assert report["loss"] == pytest.approx(loss, abs=1e-5)
    assert report["objective"] == pytest.approx(loss + l2 / 2 * (weight ** 2).sum(), abs=1e-5)
    d = (p - numpy.eye(len(labels))[y]) / len(y)
    gradient = numpy.concatenate([(d.T @ x + l2 * weight).ravel(), d.sum(0)])
    # Strongly convex: the objective is within |gradient|^2 / (2 l2) of the minimum.
    assert (gradient ** 2).sum() / (2 * l2) < 1e-4
    assert report["train_accuracy"] == pytest.approx((p.argmax(1) == y).mean())


def test_the_sweep_chooses_the_best(run, clothes, tmp_path):
    result = run("probe", "train", "c.parquet", "--folders-as-labels", "-o", "h.safetensors",
                 "--json", "--validation", "0.3")
    assert result.code == 0, result
    report = json.loads(result.out)
    candidates = report["candidates"]
    assert len(candidates) == 15
    assert [c["c"] for c in candidates] == sorted(c["c"] for c in candidates)
    best = max(candidates, key=lambda c: (c["accuracy"], -c["loss"]))
    assert report["c"] == pytest.approx(best["c"])
    assert float(read_head(tmp_path / "h.safetensors")[2]["ken.validation_accuracy"]) == \
        pytest.approx(best["accuracy"], abs=1e-5)
    again = run("probe", "train", "c.parquet", "--folders-as-labels", "-o", "again.safetensors",
                "--validation", "0.3", "--threads", "3", "-q")
    assert again.code == 0 and again.out == ""
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "h.safetensors").read_bytes()
    table = run("probe", "train", "c.parquet", "--folders-as-labels", "-o", "t.safetensors")
    assert table.out.count("chosen") == 1 and "held out" in table.out


def test_few_shot_measures_on_the_others(run, clothes, tmp_path):
    ids, x, folders = clothes
    result = run("probe", "train", "c.parquet", "--folders-as-labels", "-o", "h.safetensors",
                 "--few-shot", "3", "--seed", "5", "--json", "--c", "10")
    assert result.code == 0, result
    report = json.loads(result.out)
    assert report["n_train"] == 3 * report["n_classes"]
    assert report["n_rest"] == len(ids) - report["n_train"]
    weight, bias, metadata = read_head(tmp_path / "h.safetensors")
    labels = json.loads(metadata["ken.labels"])
    answers = (x @ weight.T + bias).argmax(1)
    right = sum(labels[a] == folder for a, folder in zip(answers, folders))
    expected = report["rest_accuracy"] * report["n_rest"] + \
        report["train_accuracy"] * report["n_train"]
    assert right == round(expected)
    other = run("probe", "train", "c.parquet", "--folders-as-labels", "-o", "o.safetensors",
                "--few-shot", "3", "--seed", "6", "--json", "--c", "10")
    assert json.loads(other.out)["loss"] != report["loss"]


def test_one_shot_cannot_hold_out(run, clothes):
    result = run("probe", "train", "c.parquet", "--folders-as-labels", "-o", "h.safetensors",
                 "--few-shot", "1", "--json")
    assert result.code == 0
    report = json.loads(result.out)
    assert report["c"] == 1 and report["n_validation"] == 0 and report["candidates"] == []
    assert "C is 1" in result.err


def test_apply_and_classify_agree_with_numpy(run, clothes, tmp_path):
    ids, x, folders = clothes
    assert run("probe", "train", "c.parquet", "--folders-as-labels", "--c", "2", "-o",
               "h.safetensors", "-q").code == 0
    weight, bias, metadata = read_head(tmp_path / "h.safetensors")
    labels = json.loads(metadata["ken.labels"])
    p = softmax(x @ weight.T + bias)
    assert run("probe", "apply", "h.safetensors", "c.parquet", "-o", "a.csv", "-q").code == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [row["id"] for row in rows] == ids
    for row, probabilities in zip(rows, p):
        assert row["category"] == labels[probabilities.argmax()]
        assert float(row["score"]) == pytest.approx(probabilities.max(), abs=1e-5)
    assert run("classify", "--head", "h.safetensors", "c.parquet", "-o", "b.csv", "-q").code == 0
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    everything = run("probe", "apply", "h.safetensors", "c.parquet", "--all", "--json")
    assert len(json.loads(everything.out)) == len(ids) * len(labels)
    accuracy = json.loads(run("probe", "eval", "h.safetensors", "c.parquet", "--folders-as-labels",
                              "--json").out)["accuracy"]
    y = [labels.index(folder) for folder in folders]
    assert accuracy == pytest.approx((p.argmax(1) == y).mean(), abs=1e-5)


def test_classify_pictures_by_a_head(run, clothes, photos):
    assert run("probe", "train", "c.parquet", "--folders-as-labels", "--c", "2", "-o",
               "h.safetensors", "-q").code == 0
    folder = sorted(path for path in photos.rglob("*") if path.is_dir())[-1]
    from_pictures = run("classify", "--head", "h.safetensors", folder, "--json")
    assert from_pictures.code == 0, from_pictures
    by_name = {row["id"]: row["label"] for row in json.loads(from_pictures.out)}
    stored = json.loads(run("classify", "--head", "h.safetensors", "c.parquet", "--json").out)
    for row in stored:
        name = row["id"].split("/")[-1]
        if name in by_name:
            assert by_name.pop(name) == row["label"]
    assert not by_name


def test_balanced_classes(run, clothes, tmp_path):
    ids, x, folders = clothes
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(
        f"{name},{'a' if i % 8 else 'b'}\n" for i, name in enumerate(ids)))
    assert run("probe", "train", "c.parquet", "--labels", "l.csv", "--c", "1", "-o",
               "h.safetensors", "-q", "--class-weight", "balanced").code == 0
    weight, bias, _ = read_head(tmp_path / "h.safetensors")
    y = numpy.array([0 if i % 8 else 1 for i in range(len(ids))])
    share = numpy.where(y == 0, 0.5 / (y == 0).sum(), 0.5 / (y == 1).sum())
    d = (softmax(x @ weight.T + bias) - numpy.eye(2)[y]) * share[:, None]
    l2 = 1 / len(y)
    assert numpy.abs(d.T @ x + l2 * weight).max() < 1e-4 and numpy.abs(d.sum(0)).max() < 1e-4


@pytest.mark.parametrize("arguments, part", [
    ([], "train, apply or eval"),
    (["fly", "c.parquet"], "unknown action 'fly'"),
    (["train", "c.parquet", "-o", "h.safetensors"], "no labels"),
    (["train", "c.parquet", "--folders-as-labels"], "no output"),
    (["train", "c.parquet", "--folders-as-labels", "-o", "c.parquet"], "c.parquet"),
    (["eval", "h.safetensors", "c.parquet"], "no labels"),
    (["apply", "h.safetensors"], "a head and a collection"),
])
def test_usage(run, arguments, part):
    one_line(run("probe", *arguments), 2, part)


def test_bad_input(run, clothes, tmp_path):
    ids = clothes[0]
    (tmp_path / "one.csv").write_text("id,label\n" + "".join(f"{name},same\n" for name in ids))
    one_line(run("probe", "train", "c.parquet", "--labels", "one.csv", "-o", "h.safetensors"), 65,
             "same", "two different labels")
    (tmp_path / "none.csv").write_text("id,label\nnobody,a\n")
    one_line(run("probe", "train", "c.parquet", "--labels", "none.csv", "-o", "h.safetensors"), 65,
             "labels none")
    (tmp_path / "text.safetensors").write_text("this is no head, and long enough to be a header")
    assert run("probe", "apply", "text.safetensors", "c.parquet").code == 65
    assert run("probe", "apply", "missing.safetensors", "c.parquet").code == 66
    assert run("probe", "train", "missing.parquet", "--folders-as-labels", "-o", "h.st").code == 66
    assert run("classify", "--head", "h.safetensors", "--classes", "a,b", "c.parquet").code == 2
    assert run("classify", "--head", "h.safetensors", "--mode", "rules", "c.parquet").code == 2


def test_heads_of_another_model_are_refused(run, clothes, root, photos, tmp_path):
    assert run("embed", "--model", root / "tests/data/models/hf_siglip", photos, "-o", "s.parquet",
               "-q").code == 0
    assert run("probe", "train", "s.parquet", "--folders-as-labels", "--c", "1", "-o",
               "s.safetensors", "-q").code == 0
    one_line(run("probe", "apply", "s.safetensors", "c.parquet"), 65, "weights_sha256",
             "s.safetensors", "c.parquet")
    one_line(run("classify", "--head", "s.safetensors", "c.parquet"), 65, "weights_sha256")


@pytest.mark.parametrize("change, part", [
    (lambda h: h["__metadata__"].pop("ken.labels"), "ken.labels"),
    (lambda h: h["__metadata__"].update({"ken.labels": "[\"a\"]"}), "does not name each row"),
    (lambda h: h["__metadata__"].update({"ken.labels": "nonsense"}), "h.safetensors"),
    (lambda h: h["__metadata__"].pop("ken.weights_sha256"), "which model"),
    (lambda h: h.update(weight2=h.pop("weight")), "no tensor 'weight'"),
])
def test_damaged_heads(run, clothes, tmp_path, change, part):
    assert run("probe", "train", "c.parquet", "--folders-as-labels", "--c", "1", "-o",
               "h.safetensors", "-q").code == 0
    path = tmp_path / "h.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])
    one_line(run("probe", "apply", "h.safetensors", "c.parquet"), 65, part)


def test_aesthetic_predictor(run, clothes, root, tmp_path):
    """LAION's linear head from its .pth file, on the embeddings that come with it."""
    import pyarrow
    import pyarrow.parquet
    data = root / "tests/data/formats/torch"
    x = numpy.load(data / "aesthetic_embeddings.npy")
    ids = [f"rating {i}" for i in range(len(x))]
    metadata = dict(pyarrow.parquet.read_schema(tmp_path / "c.parquet").metadata)
    metadata[b"ken.dim"] = b"512"
    table = pyarrow.table({"id": ids, "path": ids, "embedding": pyarrow.array(
        list(x), pyarrow.list_(pyarrow.float32(), 512))})
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    result = run("probe", "apply", data / "sa_0_4_vit_b_32_linear.pth", "a.parquet", "--json")
    assert result.code == 0, result
    rows = json.loads(result.out)
    # What PyTorch gives for these ten.
    expected = [-1.469954, 0.272794, 1.990020, 3.611417, 5.087441, 6.392551, 7.668165, 8.915451,
                9.916607, 11.005574]
    assert [row["score"] for row in rows] == pytest.approx(expected, abs=1e-5)
    assert {row["label"] for row in rows} == {"sa_0_4_vit_b_32_linear"}
    one_line(run("probe", "apply", data / "sa_0_4_vit_b_32_linear.pth", "c.parquet"), 65, "512",
             "c.parquet")
    one_line(run("probe", "apply", data / "evil.pth", "a.parquet"), 77, "posix.system")
