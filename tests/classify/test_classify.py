"""ken classify from the outside: against NumPy, and in all its forms of output."""
import csv
import io
import json
import pathlib
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "examples/clothes.yaml"
COLUMNS = ["id", "path", "category", "score", "pos_sim", "neg_sim", "neutral_sim", "threshold", "rank", "reason"]


@pytest.fixture(scope="session")
def photos_parquet(ken, tmp_path_factory, photos):
    """The example photos, embedded once."""
    import subprocess

    path = tmp_path_factory.mktemp("classify") / "photos.parquet"
    subprocess.run([ken, "embed", "--model", "demo", str(photos), "-o", str(path), "-q"], check=True)
    return path


def ok(result, code=0):
    assert result.code == code, result
    return result


# ---- against NumPy ---------------------------------------------------------------------------------

WORDS = ("a photo of the dress hat shirt shoes shorts skirt pants jacket red green blue long short apple milk juice "
         "banana package on table with and in").split()
TEMPLATES = ["a photo of a {}", "{c}, again {c}", "the {label}"]


def sentence(rng):
    return " ".join(rng.choice(WORDS, size=rng.integers(1, 6)))


def random_rules(rng, n_categories):
    """Rules that use every key, thresholds near the scores so that both outcomes are common."""
    rules = {"version": 1, "multiple": bool(rng.integers(2)), "none_label": "nothing"}
    if rng.integers(2):
        rules["templates"] = [str(t) for t in rng.choice(TEMPLATES, size=rng.integers(1, 4), replace=False)]
        if rng.integers(2):
            rules["prompts_are"] = str(rng.choice(["names", "sentences"]))
    if rng.integers(2):
        rules["neutral"] = [sentence(rng) for _ in range(rng.integers(1, 4))]
        if rng.integers(2):
            rules["neutral_margin"] = round(float(rng.normal(0, 0.1)), 4)
    if rng.integers(2):
        rules["threshold"] = round(float(rng.normal(0.1, 0.1)), 4)
    categories = {}
    for i in range(n_categories):
        category = {"positive": [sentence(rng) for _ in range(rng.integers(1, 4))]}
        if rng.integers(2):
            category["negative"] = [sentence(rng) for _ in range(rng.integers(1, 4))]
        if rng.integers(2):
            category["threshold"] = round(float(rng.normal(0.1, 0.15)), 4)
        categories[f"category {i}"] = category
    rules["categories"] = categories
    return rules


def prompts_of(rules, texts):
    names = rules.get("prompts_are", "names" if "templates" in rules else "sentences") == "names"
    if not names:
        return list(texts)
    return [t.replace("{}", n).replace("{c}", n).replace("{label}", n) for n in texts for t in rules["templates"]]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def reference(rules, embed, images):
    """Similarities and scores in float64: pos, neg, neutral (NaN where there are none), score: [n, K]."""
    mean = lambda texts: unit(np.mean([embed[t] for t in texts], axis=0))
    n, k = len(images), len(rules["categories"])
    pos, neg = np.empty((n, k)), np.full((n, k), np.nan)
    for i, c in enumerate(rules["categories"].values()):
        pos[:, i] = images @ mean(prompts_of(rules, c["positive"]))
        if "negative" in c:
            neg[:, i] = images @ mean(prompts_of(rules, c["negative"]))
    neutral = np.full((n, k), np.nan)
    if "neutral" in rules:
        neutral[:] = (images @ mean(rules["neutral"]))[:, None]
    score = np.where(np.isnan(neg), np.where(np.isnan(neutral), pos, pos - neutral), pos - neg)
    return pos, neg, neutral, score


def write_collection(path, like, embeddings, changes=None):
    """A collection as ken embed writes one, with made-up vectors."""
    n = len(embeddings)
    metadata = dict(pq.read_schema(like).metadata)
    metadata.update(changes or {})
    ids = [f"image {i}" for i in range(n)]
    table = pa.table({"id": ids, "path": ids,
                      "embedding": pa.array(list(embeddings), pa.list_(pa.float32(), embeddings.shape[1]))})
    pq.write_table(table.replace_schema_metadata(metadata), path)


def all_prompts(rules):
    texts = list(rules.get("neutral", []))
    for c in rules["categories"].values():
        texts += prompts_of(rules, c["positive"]) + prompts_of(rules, c.get("negative", []))
    return texts


def test_every_score_and_decision_agrees_with_numpy(run, tmp_path, photos_parquet):
    rng = np.random.default_rng(7)
    n_images, n_categories = 40, 300
    files = [random_rules(rng, n_categories) for _ in range(8)]
    texts = sorted({t for rules in files for t in all_prompts(rules)})
    (tmp_path / "texts.txt").write_text("".join(t + "\n" for t in texts))
    ok(run("embed", "--model", "demo", "--texts", "texts.txt", "-o", "texts.parquet", "-q"))
    table = pq.read_table(tmp_path / "texts.parquet")
    assert table["text"].to_pylist() == texts
    vectors = unit(np.array(table["embedding"].to_pylist(), np.float64))
    embed = dict(zip(texts, vectors))
    n_decided = n_matched = 0
    for number, rules in enumerate(files):
        noise = rng.normal(size=(n_images, vectors.shape[1])) / 16
        images = unit(vectors[rng.integers(len(texts), size=n_images)] + noise).astype(np.float32)
        write_collection(tmp_path / "made.parquet", photos_parquet, images)
        (tmp_path / "rules.yaml").write_text(json.dumps(rules))
        ok(run("classify", "rules.yaml", "made.parquet", "--all", "-o", "out.parquet", "--model", "demo", "-q"))
        n, m = check_against_numpy(rules, embed, images, pq.read_table(tmp_path / "out.parquet"))
        n_decided += n
        n_matched += m
    assert n_decided == len(files) * n_images * n_categories
    assert 0.02 < n_matched / n_decided < 0.98


def column(rows, name, images, categories, shape):
    values = np.full(shape, np.nan)
    values[images, categories] = rows[name].to_numpy(zero_copy_only=False)
    return values


def check_against_numpy(rules, embed, images, rows):
    pos, neg, neutral, score = reference(rules, embed, images.astype(np.float64))
    names = list(rules["categories"])
    rank = rows["rank"].to_numpy()
    none = {rows["id"][int(i)].as_py() for i in np.flatnonzero(rank == 0)}
    rows = rows.filter(pa.array(rank > 0))
    at_image = np.array([int(i.split()[1]) for i in rows["id"].to_pylist()])
    at_category = np.array([names.index(c) for c in rows["category"].to_pylist()])
    assert len(rows) == pos.size
    get = lambda name: column(rows, name, at_image, at_category, pos.shape)
    got = {name: get(name) for name in ("pos_sim", "neg_sim", "neutral_sim", "score", "threshold")}
    for name, expected in (("pos_sim", pos), ("neg_sim", neg), ("neutral_sim", neutral), ("score", score)):
        assert np.array_equal(np.isnan(got[name]), np.isnan(expected))
        assert np.nanmax(np.abs(got[name] - expected), initial=0) < 1e-6
    thresholds = [c.get("threshold", rules.get("threshold", 0)) for c in rules["categories"].values()]
    assert np.array_equal(got["threshold"], np.broadcast_to(np.float32(thresholds), pos.shape))

    # From the numbers written, every decision can be repeated exactly, in float32.
    f32 = {k: v.astype(np.float32) for k, v in got.items()}
    passes = f32["score"] >= f32["threshold"]
    if "neutral" in rules:
        passes &= f32["pos_sim"] >= f32["neutral_sim"] + np.float32(rules.get("neutral_margin", 0))
    # And they are the decisions of the reference wherever it is not a matter of the last digits.
    lead = score - np.array(thresholds)
    if "neutral" in rules:
        lead = np.minimum(lead, pos - neutral - rules.get("neutral_margin", 0))
    clear = np.abs(lead) > 2e-6
    assert clear.mean() > 0.999
    assert np.array_equal(passes[clear], (lead > 0)[clear])
    check_rows(rules, rows, at_image, at_category, passes, f32["score"], none, names)
    return passes.size, passes.sum()


def check_rows(rules, rows, at_image, at_category, passes, score, none, names):
    """Ranks, the rows of what matched nothing, and the reasons."""
    reasons = rows["reason"].to_pylist()
    ranks = rows["rank"].to_numpy()
    for image in range(len(passes)):
        mine = np.flatnonzero(at_image == image)
        assert list(ranks[mine]) == list(range(1, len(names) + 1))
        order = sorted(range(len(names)), key=lambda c: (not passes[image, c], -score[image, c], c))
        assert [int(c) for c in at_category[mine]] == order
        assert (f"image {image}" in none) == (not passes[image].any())
        for place, row in enumerate(mine):
            passed = passes[image, order[place]]
            if passed and place > 0 and not rules["multiple"]:
                assert f"behind '{names[order[0]]}'" in reasons[row]
            else:
                assert (" below threshold" in reasons[row] or ", but " in reasons[row]) == (not passed)


def test_softmax_and_argmax_agree_with_numpy(run, tmp_path, photos_parquet):
    classes = ["dress", "hat", "shoes", "t-shirt"]
    result = ok(run("classify", "--model", "demo", "--classes", ",".join(classes), photos_parquet, "--json"))
    rows = json.loads(result.out)
    texts = sum((["--text", f"This is a photo of {c}."] for c in classes), [])
    ok(run("embed", "--model", "demo", *texts, "-o", "t.parquet"))
    t = np.array(pq.read_table(tmp_path / "t.parquet")["embedding"].to_pylist())
    table = pq.read_table(photos_parquet)
    x = np.array(table["embedding"].to_pylist())
    scale = json.loads((ROOT / "models/demo/goldens.json").read_text())["logit_scale"]
    logits = scale * x @ t.T
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert len(rows) == p.size
    at = {image: i for i, image in enumerate(table["id"].to_pylist())}
    for row in rows:
        assert abs(row["score"] - p[at[row["id"]], classes.index(row["label"])]) < 1e-5
    assert [r["rank"] for r in rows[:4]] == [1, 2, 3, 4]
    assert rows[0]["score"] >= rows[1]["score"] >= rows[2]["score"] >= rows[3]["score"]

    result = ok(run("classify", "--model", "demo", "--classes", ",".join(classes), "--template", "a photo of a {}",
                    "--mode", "argmax", photos_parquet, "--json", "--top-k", "1"))
    assert [r["rank"] for r in json.loads(result.out)] == [1] * 80


def scalar_tensor(path, name):
    """A tensor of one float32 from a .safetensors file."""
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8:8 + n])[name]
    assert entry["dtype"] == "F32"
    begin, end = entry["data_offsets"]
    return float(np.frombuffer(data[8 + n + begin:8 + n + end], "<f4")[0])


@pytest.mark.parametrize("name", ["hf_siglip", "hf_siglip2"])
def test_sigmoid_models_give_each_class_its_own_probability(run, tmp_path, photos, name):
    """SigLIP: sigmoid(exp(logit_scale) * cosine + logit_bias), as its zero-shot pipeline has it."""
    model = ROOT / "tests/data/models" / name
    classes = ["a cat", "the dog", "car 5"]
    pictures = sorted(photos.glob("*/*.jpg"))[:6]
    texts = sum((["--text", c] for c in classes), [])
    ok(run("embed", "--model", model, *texts, "-o", "t.parquet"))
    ok(run("embed", "--model", model, *pictures, "-o", "x.parquet"))
    t = np.array(pq.read_table(tmp_path / "t.parquet")["embedding"].to_pylist(), np.float64)
    x = np.array(pq.read_table(tmp_path / "x.parquet")["embedding"].to_pylist(), np.float64)
    scale = np.exp(scalar_tensor(model / "model.safetensors", "logit_scale"))
    bias = scalar_tensor(model / "model.safetensors", "logit_bias")
    expected = 1 / (1 + np.exp(-(scale * x @ t.T + bias)))
    assert bias != 0 and np.unique(expected.round(6)).size > 6
    for source in (pictures, ["x.parquet"]):
        rows = json.loads(ok(run("classify", "--model", model, "--classes", ",".join(classes), "--template", "{}",
                                 *source, "--json")).out)
        assert len(rows) == expected.size
        for i, row in enumerate(rows):
            assert abs(row["score"] - expected[i // len(classes), classes.index(row["label"])]) < 1e-6
    sums = [sum(r["score"] for r in rows[i:i + 3]) for i in range(0, len(rows), 3)]
    assert max(abs(s - 1) for s in sums) > 0.01


# ---- output ----------------------------------------------------------------------------------------


def test_all_formats_hold_the_same_rows(run, tmp_path, photos_parquet):
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.json"):
        ok(run("classify", RULES, photos_parquet, "--all", "-o", name))
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == COLUMNS
    parquet = table.to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    array = json.loads((tmp_path / "a.json").read_text())
    reader = csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text()))
    assert reader.fieldnames == COLUMNS
    rows = list(reader)
    assert len(parquet) == len(lines) == len(array) == len(rows) > 800
    for a, b, c, d in zip(parquet, lines, array, rows):
        assert c.pop("label") == b["category"]
        assert c == {k: v for k, v in b.items() if k != "category"}
        for name in COLUMNS:
            text = "" if b[name] is None else b[name]
            if name in ("score", "pos_sim", "neg_sim", "neutral_sim", "threshold"):
                assert (a[name] is None) == (b[name] is None) == (d[name] == "")
                if a[name] is not None:
                    assert np.float32(a[name]) == np.float32(b[name]) == np.float32(d[name])
            else:
                assert a[name] == b[name] and str(text) == d[name]
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    source = {k.decode(): v.decode() for k, v in pq.read_schema(photos_parquet).metadata.items()}
    for key in ("ken.model_id", "ken.weights_sha256", "ken.preprocess_sha256", "ken.precision"):
        assert metadata[key] == source[key]
    assert metadata["ken.rules"] == RULES.read_text()


def test_the_same_bytes_for_any_number_of_threads(run, tmp_path, photos_parquet):
    for n in (1, 2, 5):
        ok(run("classify", RULES, photos_parquet, "--threads", n, "-o", f"{n}.csv", "--report", f"{n}.html"))
    for n in (2, 5):
        assert (tmp_path / f"{n}.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
        assert (tmp_path / f"{n}.html").read_bytes() == (tmp_path / "1.html").read_bytes()


def test_images_on_the_fly_give_the_rows_of_the_collection(run, photos_parquet, photos):
    a = ok(run("classify", RULES, photos_parquet, "--format", "csv"))
    b = ok(run("classify", RULES, photos, "--model", "demo", "--format", "csv", "--threads", "2"))
    assert a.out == b.out


def test_the_demo_is_as_right_as_its_page_says(run, photos_parquet):
    result = ok(run("classify", RULES, photos_parquet, "--folders-as-labels", "--report", "r.html"))
    assert "accuracy 43.8% (35 of 80 labelled images)" in result.out
    assert "80 images, 0 failed" in result.out


def test_labels_from_a_table(run, tmp_path, photos_parquet):
    ids = pq.read_table(photos_parquet)["id"].to_pylist()
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(f"{i},{i.split('/')[0]}\n" for i in ids))
    result = ok(run("classify", RULES, photos_parquet, "--labels", "l.csv", "--json", "-o", "a.jsonl", "--format", "json"))
    figures = json.loads(result.out)
    rows = json.loads((tmp_path / "a.jsonl").read_text())
    right = sum(r["rank"] <= 1 and r["label"] == r["id"].split("/")[0] for r in rows)
    assert figures["n_right"] == right == 35
    assert figures["accuracy"] == right / 80
    assert sum(map(sum, figures["confusion"])) == 80


def test_explain(run, photos_parquet):
    first = pq.read_table(photos_parquet)["id"][0].as_py()
    result = ok(run("classify", RULES, photos_parquet, "--explain", first))
    assert result.out.startswith(f"{first}: ")
    assert result.out.count("because") == 10
    assert run("classify", RULES, photos_parquet, "--explain", "nope").code == 66


def test_examples_pull_a_category_towards_their_images(run, tmp_path, photos, photos_parquet):
    hats = sorted((photos / "hat").iterdir())[:4]
    (tmp_path / "few").mkdir()
    for path in hats:
        shutil.copy(path, tmp_path / "few")
    (tmp_path / "few.yaml").write_text("version: 1\ncategories:\n"
                                       "  prompts: {positive: [a photo of a hat]}\n"
                                       "  mixed: {positive: [a photo of a hat], examples: ['few/*.jpg'], examples_weight: 0.25}\n"
                                       "  images: {examples: [few]}\n")
    ok(run("classify", tmp_path / "few.yaml", photos_parquet, "--all", "-o", "a.parquet", cwd=tmp_path / "few"))
    rows = pq.read_table(tmp_path / "few/a.parquet").to_pylist()
    got = {(r["id"], r["category"]): r["pos_sim"] for r in rows if r["rank"]}
    table = pq.read_table(photos_parquet)
    x = dict(zip(table["id"].to_pylist(), np.array(table["embedding"].to_pylist(), np.float64)))
    images = unit(np.mean([x[f"hat/{p.name}"] for p in hats], axis=0))
    ok(run("embed", "--model", "demo", "--text", "a photo of a hat", "-o", "t.parquet"))
    text = unit(np.array(pq.read_table(tmp_path / "t.parquet")["embedding"].to_pylist()[0], np.float64))
    mixed = unit(0.75 * text + 0.25 * images)
    for image, vector in x.items():
        for name, direction in (("prompts", text), ("mixed", mixed), ("images", images)):
            assert abs(got[image, name] - vector @ direction) < 1e-6


# ---- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("old, new, message", [
    ("positive: [hat]", "positve: [hat]", ":23:5: unknown key 'positve' in category 'hat': did you mean 'positive'?"),
    ("positive: [hat]", "positive: hat", ":23:15: expected a list of texts for 'positive'"),
    ("positive: [hat]", "positive: []", ":23:15: the list 'positive' is empty"),
    ("  hat:", "  dress:", ":22:3: duplicate key 'dress', first given in line 19"),
    ("threshold: 0\n", "threshold: .nan\n", "expected a number from -2 to 2 for 'threshold', found '.nan'"),
    ("multiple: false", "multiple: [false", "not valid YAML"),
    ("version: 1", "version: 9", "rules have version 9, this ken reads version 1"),
])
def test_wrong_rules_are_refused_before_anything_else(run, tmp_path, old, new, message):
    text = RULES.read_text()
    assert old in text
    (tmp_path / "wrong.yaml").write_text(text.replace(old, new, 1))
    result = ok(run("classify", "wrong.yaml", "nothing.parquet", "--model", "nowhere"), 65)
    assert result.err.startswith("ken classify: wrong.yaml:")
    assert message in result.err
    assert result.err.count("\n") == 1 and result.out == ""


def test_huge_and_missing_rules(run, tmp_path):
    (tmp_path / "huge.yaml").write_text("#" * (1 << 20) + "\n")
    result = ok(run("classify", "huge.yaml", "x.parquet"), 65)
    assert "'huge.yaml' is 1048577 bytes, the limit is 1048576" in result.err
    result = ok(run("classify", "missing.yaml", "x.parquet"), 66)
    assert "could not open 'missing.yaml'" in result.err


@pytest.mark.parametrize("arguments, message", [
    ([], "no rules file and no images to classify"),
    ([RULES], "no images to classify"),
    (["--classes", "a,b"], "no images to classify"),
    (["--classes", "a,,b", "x.jpg"], "class 2 of --classes is empty"),
    (["--classes", "a,a", "x.jpg"], "class 'a' is given twice"),
    (["--classes", "a,b", "--template", "x", "x.jpg"], "template 'x' has no place for the name"),
    ([RULES, "x.jpg", "--template", "{}"], "'--template' and '--templates' go with '--classes'"),
    ([RULES, "x.jpg", "--labels", "l", "--folders-as-labels"], "cannot both be given"),
    ([RULES, "x.jpg", "--json", "--format", "csv"], "'--json' and '--format csv' cannot both be given"),
    ([RULES, "x.jpg", "--format", "parquet"], "'--format parquet' needs a file"),
    ([RULES, "x.jpg", "-o", "x.pdf"], "'x.pdf' has no extension that names a format"),
    ([RULES, "x.jpg", "--mode", "best"], "option '--mode' is 'best', expected rules|softmax|argmax"),
    ([RULES, "x.jpg", "-o", "a.html", "--report", "b.html"], "the page is wanted twice"),
])
def test_usage_errors(run, arguments, message):
    result = ok(run("classify", *arguments), 2)
    assert message in result.err.replace('\\"', '"')
    assert result.out == ""


def test_a_collection_of_another_model_is_refused(run, tmp_path, photos_parquet):
    vectors = np.array(pq.read_table(photos_parquet)["embedding"].to_pylist(), np.float32)[:3]
    write_collection(tmp_path / "other.parquet", photos_parquet, vectors, {b"ken.weights_sha256": b"0" * 64})
    result = ok(run("classify", RULES, "other.parquet", "--model", "demo"), 65)
    own = pq.read_schema(photos_parquet).metadata[b"ken.weights_sha256"].decode()
    assert "weights_sha256" in result.err and "0" * 64 in result.err and own in result.err
    write_collection(tmp_path / "texts.parquet", photos_parquet, vectors, {b"ken.kind": b"text"})
    result = ok(run("classify", RULES, "texts.parquet"), 2)
    assert "'texts.parquet' holds embeddings of kind 'text'" in result.err


def test_bad_images_cost_a_line_each(run, tmp_path, photos):
    good = sorted((photos / "hat").iterdir())[:2]
    for path in good:
        shutil.copy(path, tmp_path)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    result = ok(run("classify", RULES, ".", "--model", "demo", "-o", "out.csv", "--report", "out.html"), 1)
    errors = list(csv.DictReader((tmp_path / "out.errors.csv").open()))
    assert [e["id"] for e in errors] == ["bad.jpg"] and errors[0]["stage"] and errors[0]["detail"]
    assert "1 images failed, see 'out.errors.csv'" in result.err
    assert "Could not be read" in (tmp_path / "out.html").read_text()
    result = ok(run("classify", RULES, ".", "--model", "demo"), 1)
    assert "'bad.jpg' failed at" in result.err
    # A collection remembers what failed; classifying it is no failure of its own.
    assert run("embed", "--model", "demo", ".", "-o", "c.parquet", "-q").code == 1
    ok(run("classify", RULES, "c.parquet", "--report", "c.html"))
    assert "bad.jpg" in (tmp_path / "c.html").read_text()


def test_outputs_that_cannot_be_written(run, photos_parquet):
    for name in ("-o", "--report"):
        for file in ("a.csv", "a.parquet") if name == "-o" else ("a.html",):
            result = run("classify", RULES, photos_parquet, name, f"nowhere/{file}")
            assert result.code == 73, result
            assert f"nowhere/{file}" in result.err


# ---- prompts of earlier runs -----------------------------------------------------------------------


def cached_prompts(cache):
    """The number of prompts in the cache's file."""
    (path,) = (cache / "ken").glob("pack-prompts-*")
    data = path.read_bytes()
    assert data[40:48] == b"kenprm1\0"
    return path, int.from_bytes(data[48:56], "little")


def test_an_edited_category_encodes_only_its_own_prompts(run, tmp_path, photos_parquet):
    cache = tmp_path / "cache"

    def classify(name, *options):
        ok(run("classify", "r.yaml", photos_parquet, "--all", "-o", name, "--model", "demo", "-q", *options,
               env={"XDG_CACHE_HOME": str(cache)}))
        return (tmp_path / name).read_bytes()

    text = "version: 1\ncategories:\n" + "".join(f"  c{i}: {{positive: ['hat {i}', 'a hat'], negative: ['shoe {i}']}}\n"
                                                 for i in range(20))
    (tmp_path / "r.yaml").write_text(text)
    first = classify("1.csv")
    path, n = cached_prompts(cache)
    before = path.read_bytes()
    assert classify("2.csv") == first == classify("3.csv", "--no-cache") and n <= 41
    assert path.read_bytes() == before
    (tmp_path / "r.yaml").write_text(text.replace("'hat 7'", "'green hat 7'"))
    assert classify("4.csv") == classify("5.csv", "--no-cache") != first
    assert cached_prompts(cache) == (path, n + 1)
    # A damaged file is not believed.
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert classify("6.csv") == classify("7.csv", "--no-cache")
    path.write_bytes(bytes(data[:100]))
    assert classify("8.csv") == (tmp_path / "7.csv").read_bytes()
