"""ken calibrate from the outside: every fit and count again in NumPy, probabilities by scikit-learn and SciPy."""
import json
import pathlib
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import optimize, stats
from sklearn.isotonic import IsotonicRegression

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORDS, N, FOLDS, SEED = ["dress", "hat", "shirt", "shoes", "skirt"], 300, 4, 9


@pytest.fixture(scope="session")
def made(ken, tmp_path_factory):
    """A collection of vectors around the words' embeddings, and the word of each."""
    folder = tmp_path_factory.mktemp("calibrate")
    texts = sum((["--text", w] for w in WORDS), [])
    subprocess.run([ken, "embed", "--model", "demo", *texts, "-o", "t.parquet", "-q"], cwd=folder, check=True)
    photo = next((ROOT / "examples/photos/hat").iterdir())
    subprocess.run([ken, "embed", "--model", "demo", photo, "-o", "p.parquet", "-q"], cwd=folder, check=True)
    t = np.array(pq.read_table(folder / "t.parquet")["embedding"].to_pylist())
    rng = np.random.default_rng(1)
    truth = rng.integers(len(WORDS), size=N)
    x = t[truth] + rng.normal(size=(N, t.shape[1])) * 3 / np.sqrt(t.shape[1])
    write(folder / "made.parquet", folder / "p.parquet", x)
    return folder / "made.parquet", truth


def write(path, like, x):
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"image {i}" for i in range(len(x))]
    table = pa.table({"id": ids, "path": ids, "embedding": pa.array(list(x), pa.list_(pa.float32()))})
    pq.write_table(table.replace_schema_metadata(pq.read_schema(like).metadata), path)


def ok(result, code=0):
    assert result.code == code, result
    return result


def rules_text(multiple, neutral):
    lines = ["# mine", "version: 1", f"multiple: {str(multiple).lower()}", "none_label: nothing"]
    lines += ['neutral: ["a photo"]', "neutral_margin: -0.1"] if neutral else []
    lines += ["categories:"]
    for i, word in enumerate(WORDS):
        lines += [f"  {word}:   # number {i}", f"    positive: ['{word}']"] + (["    threshold: 0.2 # old"] if i % 2 else [])
    return "\n".join(lines) + "\n"


def prepare(run, tmp_path, made, multiple=True, neutral=False):
    collection, truth = made
    (tmp_path / "r.yaml").write_text(rules_text(multiple, neutral))
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(f"image {i},{WORDS[t]}\n" for i, t in enumerate(truth)))
    ok(run("classify", "r.yaml", collection, "--model", "demo", "--all", "-o", "all.parquet", "-q"))
    score, gate = np.zeros((N, len(WORDS)), np.float32), np.ones((N, len(WORDS)), bool)
    for row in pq.read_table(tmp_path / "all.parquet").to_pylist():
        if row["rank"]:
            at = int(row["id"].split()[1]), WORDS.index(row["category"])
            score[at] = row["score"]
            if neutral:
                gate[at] = np.float32(row["pos_sim"]) >= np.float32(row["neutral_sim"]) + np.float32(-0.1)
    return collection, np.eye(len(WORDS), dtype=bool)[truth], score, gate


def calibrate(run, collection, *options, code=0):
    result = ok(run("calibrate", "r.yaml", collection, "--model", "demo", "--labels", "l.csv", "--json", "--folds",
                    FOLDS, "--seed", SEED, *options), code)
    return json.loads(result.out)


# ---- the same again, in NumPy ----------------------------------------------------------------------


def splitmix(key, index):
    with np.errstate(over="ignore"):
        z = np.uint64(key) + (np.asarray(index, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def folds_of(own):
    order = np.lexsort((splitmix(SEED, np.arange(len(own))), own.argmax(1)))
    folds = np.empty(len(own), int)
    folds[order] = np.arange(len(own)) % FOLDS
    return folds


def best_counts(score, can_match, own, goal):
    """(right, matched) of the best cut, by trying each score as the threshold; None when none serves the goal."""
    best = None
    for t in np.append(np.unique(score[can_match]), np.inf):
        m = can_match & (score >= t)
        right, matched = (m & own).sum(), m.sum()
        if goal[0] == "f1":
            value = 2 * right / (matched + own.sum()) if right else None
        elif goal[0] == "precision":
            value = right - 1e-9 * matched if right and right >= goal[1] * matched else None
        else:
            value = -(goal[1] * (matched - right) + goal[2] * (own.sum() - right))
        if value is not None and (best is None or value > best[0] + 1e-12):
            best = (value, t)
    return best


def decide(score, gate, thresholds, multiple):
    m = gate & (score >= np.float32(thresholds))
    if not multiple:
        best = np.where(m, score, -np.inf).argmax(1)
        m &= np.arange(m.shape[1]) == best[:, None]
    return m


GOALS = {"f1": (["--maximize", "f1"], ("f1",)), "precision": (["--target-precision", "0.8"], ("precision", 0.8)),
         "cost": (["--cost", "2:1"], ("cost", 2, 1))}


@pytest.mark.parametrize("multiple, neutral", [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize("name", list(GOALS))
def test_thresholds_serve_the_goal_as_well_as_any(run, tmp_path, made, name, multiple, neutral):
    collection, own, score, gate = prepare(run, tmp_path, made, multiple, neutral)
    options, goal = GOALS[name]
    got = calibrate(run, collection, *options, "-o", "fitted.yaml")
    can = gate.copy()
    if not multiple:
        can &= np.arange(len(WORDS)) == np.where(gate, score, -np.inf).argmax(1)[:, None]
    for k, c in enumerate(got["categories"]):
        assert c["label"] == WORDS[k] and c["result"] == "fitted"
        value, _ = best_counts(score[:, k], can[:, k], own[:, k], goal)
        m = can[:, k] & (score[:, k] >= np.float32(c["threshold"]))
        right, matched = (m & own[:, k]).sum(), m.sum()
        mine = {"f1": 2 * right / (matched + own[:, k].sum()), "precision": right - 1e-9 * matched,
                "cost": -(2 * (matched - right) + own[:, k].sum() - right)}[name]
        assert mine == pytest.approx(value, abs=1e-12)
        before = decide(score, gate, [0.2 if i % 2 else 0 for i in range(len(WORDS))], multiple)[:, k]
        assert (c["before"]["n_right"], c["before"]["n_matched"]) == ((before & own[:, k]).sum(), before.sum())
    # The written file: nothing changed but thresholds, and ken reads them.
    old = (tmp_path / "r.yaml").read_text().splitlines()
    new = (tmp_path / "fitted.yaml").read_text().splitlines()
    assert [line for line in new if "threshold" not in line] == [line for line in old if "threshold" not in line]
    assert sum("# old" in line for line in new) == 2
    ok(run("classify", "fitted.yaml", collection, "--model", "demo", "-o", "f.parquet", "-q"))
    written = {row["category"]: row["threshold"] for row in pq.read_table(tmp_path / "f.parquet").to_pylist() if row["rank"]}
    for c in got["categories"]:
        assert np.float32(written[c["label"]]) == np.float32(c["threshold"])


@pytest.mark.parametrize("multiple", [True, False])
def test_what_to_expect_is_counted_on_images_that_were_left_out(run, tmp_path, made, multiple):
    """Each fold's thresholds from ken itself, given the other folds' labels only, and its decisions in NumPy."""
    collection, own, score, gate = prepare(run, tmp_path, made, multiple)
    got = calibrate(run, collection)
    folds = folds_of(own)
    lines = (tmp_path / "l.csv").read_text().splitlines()
    matched = np.zeros_like(own)
    for f in range(FOLDS):
        (tmp_path / "l.csv").write_text("\n".join([lines[0]] + [lines[i + 1] for i in np.flatnonzero(folds != f)]) + "\n")
        part = calibrate(run, collection)
        assert part["n_labelled"] == (folds != f).sum()
        thresholds = [c["threshold"] for c in part["categories"]]
        matched[folds == f] = decide(score, gate, thresholds, multiple)[folds == f]
    for k, c in enumerate(got["categories"]):
        expected = c["expected"]
        right = (matched[:, k] & own[:, k]).sum()
        assert (expected["n_right"], expected["n_matched"]) == (right, matched[:, k].sum())
        n = expected["n_matched"]
        assert expected["precision_interval"] == pytest.approx(
            [stats.beta.ppf(0.025, right, n - right + 1),
             stats.beta.ppf(0.975, right + 1, n - right) if right < n else 1], abs=1e-9)
    # Honest: what was fitted looks better on the images that it was fitted to.
    fitted = [best_counts(score[:, k], gate[:, k], own[:, k], ("f1",))[0] for k in range(len(WORDS))]
    assert not multiple or got["macro_f1"] < np.mean(fitted)


def test_probabilities_agree_with_scipy_and_scikit_learn(run, tmp_path, made):
    collection, own, score, _ = prepare(run, tmp_path, made)
    got = calibrate(run, collection, "--plot", "p.svg")
    folds = folds_of(own)

    def platt(x, y):
        target = np.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))
        loss = lambda p: np.sum(np.logaddexp(0, p[0] * x + p[1]) - target * (p[0] * x + p[1]))
        return optimize.minimize(loss, [0, 0], method="BFGS", options={"gtol": 1e-9}).x

    for k, c in enumerate(got["categories"]):
        x, y = score[:, k].astype(float), own[:, k]
        slope, intercept = platt(x, y)
        assert c["platt"]["slope"] == pytest.approx(slope, rel=1e-4)
        assert c["platt"]["intercept"] == pytest.approx(intercept, rel=1e-4, abs=1e-5)
        iso = IsotonicRegression(out_of_bounds="clip").fit(x, y)
        points = np.array(c["isotonic"]["points"])
        grid = np.linspace(x.min() - 0.1, x.max() + 0.1, 500)
        assert np.interp(grid, points[:, 0], points[:, 1]) == pytest.approx(iso.predict(grid), abs=1e-6)
        left_out = np.empty(N), np.empty(N)
        for f in range(FOLDS):
            a, b = platt(x[folds != f], y[folds != f])
            left_out[0][folds == f] = 1 / (1 + np.exp(-(a * x[folds == f] + b)))
            left_out[1][folds == f] = IsotonicRegression(out_of_bounds="clip").fit(
                x[folds != f], y[folds != f]).predict(x[folds == f])
        for name, p in zip(("platt", "isotonic"), left_out):
            assert c[name]["brier"] == pytest.approx(np.mean((p - y) ** 2), abs=1e-5)
            assert sum(b["n"] for b in c[name]["bins"]) == N
            assert sum(b["n_positive"] for b in c[name]["bins"]) == y.sum()
    svg = (tmp_path / "p.svg").read_text()
    assert svg.startswith("<svg ") and svg.count("<g ") == len(WORDS)


def test_the_same_for_any_number_of_threads(run, tmp_path, made):
    collection, *_ = prepare(run, tmp_path, made)
    assert calibrate(run, collection, "--threads", 1) == calibrate(run, collection, "--threads", 3)


# ---- what goes wrong -------------------------------------------------------------------------------


def test_too_few_labels(run, tmp_path, made):
    collection, truth = made
    (tmp_path / "r.yaml").write_text(rules_text(True, False))
    rows = [f"image {i},{WORDS[t]}\n" for i, t in enumerate(truth) if t != 1]
    rows += [f"image {i},hat\n" for i in np.flatnonzero(truth == 1)[:3]]
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(rows) + "elsewhere,hat\n")
    result = ok(run("calibrate", "r.yaml", collection, "--model", "demo", "--labels", "l.csv", "-o", "f.yaml"), 1)
    n = (truth != 1).sum()
    assert f"'hat' is left as it is: it has 3 labelled images of its own and {n} of others, needed are 5 of each" in result.err
    assert "1 labelled ids are not among the images, such as 'elsewhere'" in result.err
    text = (tmp_path / "f.yaml").read_text()
    assert "positive: ['hat']\n    threshold: 0.2 # old" in text and text.count("threshold") == 5
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(rows[:4]))
    result = ok(run("calibrate", "r.yaml", collection, "--model", "demo", "--labels", "l.csv", "-o", "g.yaml"), 65)
    assert "no category could be fitted: 5 of 5 have too few labels" in result.err
    assert not (tmp_path / "g.yaml").exists()


def test_a_target_that_is_not_certain_says_what_would_be(run, tmp_path, made):
    collection, *_ = prepare(run, tmp_path, made)
    result = ok(run("calibrate", "r.yaml", collection, "--model", "demo", "--labels", "l.csv", "--target-precision",
                    "0.95", "--dry-run", "-o", "never.yaml", "--plot", "never.svg"))
    assert "a precision of 0.95 is not certain" in result.err and "certain would be 72 of 72" in result.err
    assert not (tmp_path / "never.yaml").exists() and not (tmp_path / "never.svg").exists()


def test_one_class_only_and_no_labels(run, tmp_path, made):
    collection, truth = made
    (tmp_path / "r.yaml").write_text(rules_text(True, False))
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(f"image {i},hat\n" for i in range(50)))
    ok(run("calibrate", "r.yaml", collection, "--model", "demo", "--labels", "l.csv"), 65)
    (tmp_path / "l.csv").write_text("id,label\nnowhere,hat\n")
    result = ok(run("calibrate", "r.yaml", collection, "--model", "demo", "--labels", "l.csv"), 65)
    assert "labels none of the 300 images" in result.err


@pytest.mark.parametrize("arguments, message", [
    ([], "expected a rules file and a collection, found 0 arguments"),
    (["r.yaml", "c.parquet"], "give '--labels FILE' or '--folders-as-labels'"),
    (["r.yaml", "c.parquet", "--labels", "l", "--folders-as-labels"], "give '--labels FILE' or '--folders-as-labels'"),
    (["r.yaml", "c.parquet", "--labels", "l", "--cost", "5"], "'--cost 5' is not two costs above 0 with a colon"),
    (["r.yaml", "c.parquet", "--labels", "l", "--cost", "0:1"], "is not two costs above 0"),
    (["r.yaml", "c.parquet", "--labels", "l", "--cost", "1:1", "--maximize", "f1"], "give one of '--target-precision'"),
    (["r.yaml", "c.parquet", "--labels", "l", "--target-precision", "1.5"], "target-precision"),
    (["r.yaml", "c.parquet", "--labels", "l", "-o", "r.yaml"], "output 'r.yaml' is also an input"),
    (["r.yaml", "c.parquet", "--labels", "l", "-o", "l"], "output 'l' is also an input"),
])
def test_usage_errors(run, arguments, message):
    result = ok(run("calibrate", *arguments), 2)
    assert message in result.err and result.out == ""
