"""Prompts as others publish them: OpenAI's templates, CLIP_benchmark's class names, CuPL's sentences."""
import json
import pathlib

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLASSES = ["dress", "hat", "shoes"]
# Five of OpenAI's 80, by their place in the list.
KNOWN = {0: "a bad photo of a {}.", 1: "a photo of many {}.", 5: "a rendering of a {}.",
         26: "a bright photo of the {}.", 79: "a tattoo of the {}."}


def one_line(result, code, *parts):
    assert result.code == code, result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result


@pytest.fixture
def collection(run, photos):
    assert run("embed", "--model", "demo", photos, "-o", "x.parquet", "--limit", "12", "-q").code == 0
    return "x.parquet"


@pytest.fixture
def probabilities(run, tmp_path):
    """probabilities(collection, [[texts of class], ...]) by NumPy."""

    def call(collection, prompts):
        sets = []
        for i, texts in enumerate(prompts):
            arguments = sum((["--text", text] for text in texts), [])
            assert run("embed", "--model", "demo", *arguments, "-o", f"t{i}.parquet", "-q").code == 0
            t = np.array(pq.read_table(tmp_path / f"t{i}.parquet")["embedding"].to_pylist())
            mean = t.mean(0)
            sets.append(mean / np.linalg.norm(mean))
        x = np.array(pq.read_table(tmp_path / collection)["embedding"].to_pylist())
        scale = json.loads((ROOT / "models/demo/goldens.json").read_text())["logit_scale"]
        logits = scale * x @ np.array(sets).T
        p = np.exp(logits - logits.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    return call


def scores(result, n_classes, order):
    assert result.code == 0, result
    rows = json.loads(result.out)
    table = {}
    for row in rows:
        table.setdefault(row["id"], {})[row["label"]] = row["score"]
    assert all(len(row) == n_classes for row in table.values())
    return np.array([[row[name] for name in order] for row in table.values()])


def openai_80():
    text = (ROOT / "src/tasks/classify/templates_openai.inc").read_text()
    return [line.strip()[1:-2] for line in text.split("openai_7[]")[0].splitlines() if line.startswith('    "')]


def test_openai_80(run, collection, probabilities):
    templates = openai_80()
    assert len(templates) == len(set(templates)) == 80
    assert {i: templates[i] for i in KNOWN} == KNOWN
    expected = probabilities(collection, [[t.replace("{}", c) for t in templates] for c in CLASSES])
    result = run("classify", "--classes", ",".join(CLASSES), "--templates", "openai-80", collection, "--json")
    assert np.abs(scores(result, 3, CLASSES) - expected).max() < 1e-5


def test_rules_take_templates_by_name(run, tmp_path, collection):
    (tmp_path / "named.yaml").write_text(
        "version: 1\ntemplates: openai-7\ncategories: {dress: {positive: [dress]}, hat: {positive: [hat]}}\n")
    seven = ["itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.",
             "a {} in a video game.", "art of the {}.", "a photo of the small {}."]
    (tmp_path / "listed.yaml").write_text(
        f"version: 1\ntemplates: {json.dumps(seven)}\n"
        "categories: {dress: {positive: [dress]}, hat: {positive: [hat]}}\n")
    named = run("classify", "named.yaml", collection, "--json", "--all")
    assert named.code == 0, named
    assert named.out == run("classify", "listed.yaml", collection, "--json", "--all").out


def test_class_names_and_templates_of_clip_benchmark(run, tmp_path, collection, probabilities):
    (tmp_path / "names.json").write_text(json.dumps({"clothes": CLASSES, "other": ["a", "b"]}))
    (tmp_path / "templates.json").write_text(json.dumps({"clothes": ["a photo of a {c}.", "the {c}"], "x": ["{c}"]}))
    expected = probabilities(collection, [[f"a photo of a {c}.", f"the {c}"] for c in CLASSES])
    result = run("classify", "--class-file", "names.json#clothes", "--templates", "templates.json#clothes",
                 collection, "--json")
    assert np.abs(scores(result, 3, CLASSES) - expected).max() < 1e-5
    (tmp_path / "list.json").write_text(json.dumps(CLASSES))
    (tmp_path / "only.json").write_text(json.dumps({"clothes": CLASSES}))
    (tmp_path / "names.txt").write_text("dress\r\nhat\n\nshoes")
    (tmp_path / "templates.txt").write_text("a photo of a {c}.\nthe {}\n")
    for names in ("list.json", "only.json", "names.txt"):
        same = run("classify", "--class-file", names, "--templates", "templates.txt", collection, "--json")
        assert same.out == result.out, names


def test_cupl_descriptions_are_taken_whole(run, tmp_path, collection, probabilities):
    cupl = {"dress": ["A dress is a long garment.", "Dresses have a skirt."], "hat": ["A hat is worn on a head."]}
    (tmp_path / "set.json").write_text(json.dumps({"clothes": cupl, "x": {}}))
    (tmp_path / "plain.json").write_text(json.dumps(cupl))
    expected = probabilities(collection, list(cupl.values()))
    result = run("classify", "--class-file", "set.json#clothes", collection, "--json")
    assert np.abs(scores(result, 2, list(cupl)) - expected).max() < 1e-5
    assert run("classify", "--class-file", "plain.json#", collection, "--json").out == result.out


@pytest.mark.parametrize("text, spec, part", [
    ('{"a": ["x"], "b": ["y"]}', "f.json", "none of them was named"),
    ('{"a": ["x"], "b": ["y"]}', "f.json#c", "no member 'c'"),
    ('{"a": []}', "f.json", "an empty list"),
    ('["x", ""]', "f.json", "an empty text"),
    ('["x", 1]', "f.json", "something else"),
    ('["x", "x"]', "f.json", "given twice"),
    ('["x"', "f.json", "f.json"),
    ("\n \n", "f.txt", "holds no text"),
    ("\xff\n", "f.txt", "not UTF-8"),
])
def test_bad_class_files(run, tmp_path, text, spec, part):
    (tmp_path / spec.split("#")[0]).write_bytes(text.encode("latin-1"))
    result = run("classify", "--model", "demo", "--class-file", spec, "x.jpg")
    assert result.code in (2, 65), result
    one_line(result, result.code, part)


def test_bad_templates(run, tmp_path):
    base = ["classify", "--model", "demo", "--classes", "a,b", "x.jpg", "--templates"]
    one_line(run(*base, "openai-8"), 2, "openai-8", "openai-80")
    one_line(run(*base, "missing.json"), 66, "missing.json")
    (tmp_path / "t.txt").write_text("a photo\n")
    one_line(run(*base, "t.txt"), 65, "no place for the name")
    one_line(run(*base, "openai-80", "--template", "{}"), 2, "cannot both")
    (tmp_path / "r.yaml").write_text("version: 1\ntemplates: openai-81\ncategories: {a: {positive: [a]}}\n")
    one_line(run("classify", "r.yaml", "x.jpg", "--model", "demo"), 65, "r.yaml:2:12", "openai-80")
    one_line(run("classify", "--classes", "a", "--class-file", "b.txt", "x.jpg"), 2, "--class-file")
