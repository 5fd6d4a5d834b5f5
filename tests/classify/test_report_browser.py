"""The report in a browser: what it decides, counts and shows, as a user meets it."""
import json
import pathlib
import re
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLOTHES = ROOT / "examples/clothes.yaml"
WORDS = ["dress", "hat", "shirt", "shoes", "shorts", "skirt", "pants"]
N_IMAGES = 600
MODEL = "(() => { const m = new Model(JSON.parse(document.getElementById('data').textContent)); %s })()"


def ok(result, code=0):
    assert result.code == code, result
    return result


@pytest.fixture(scope="session")
def like(ken, tmp_path_factory):
    """The words' embeddings, and the metadata of a collection of images by the same model."""
    folder = tmp_path_factory.mktemp("browser-report")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    for arguments in (["--texts", "words.txt", "-o", "words.parquet"],
                      [str(ROOT / "examples/photos/hat"), "-o", "photos.parquet"]):
        subprocess.run([ken, "embed", "--model", "demo", *arguments, "-q"], cwd=folder, check=True)
    words = np.array(pq.read_table(folder / "words.parquet")["embedding"].to_pylist())
    return words, pq.read_schema(folder / "photos.parquet").metadata


def make(folder, like, n, seed, path=lambda i: f"{i:05}.jpg"):
    """A collection of n made-up images near the words; returns which word each is near."""
    words, metadata = like
    rng = np.random.default_rng(seed)
    near = rng.integers(len(WORDS), size=n)
    vectors = words[near] + rng.normal(size=(n, words.shape[1])) / 20
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    table = pa.table({"id": [f"{i:05}.jpg" for i in range(n)], "path": [path(i) for i in range(n)],
                      "embedding": pa.array(list(vectors), pa.list_(pa.float32(), vectors.shape[1]))})
    pq.write_table(table.replace_schema_metadata(metadata), folder / "made.parquet")
    (folder / "labels.csv").write_text("id,label\n" + "".join(
        f"{i:05}.jpg,{WORDS[k] if rng.random() < 0.9 else 'something else'}\n" for i, k in enumerate(near) if i % 7))
    return near


def random_rules(rng, multiple, neutral):
    rules = {"version": 1, "multiple": multiple, "none_label": "nothing"}
    if neutral:
        rules |= {"neutral": ["a photo", "an image"], "neutral_margin": round(float(rng.normal(0, 0.05)), 3)}
    rules["categories"] = {}
    for word in WORDS[:5]:
        category = {"positive": [word], "threshold": round(float(rng.normal(0.15, 0.1)), 3)}
        if rng.integers(2):
            category |= {"negative": [str(w) for w in rng.choice([w for w in WORDS if w != word], 2, replace=False)],
                         "threshold": round(float(rng.normal(0, 0.1)), 3)}
        rules["categories"][word] = category
    # Not every category has the same neutral test, or one at all.
    rules["categories"]["shirt"] |= {"neutral": ["a picture of a table"], "neutral_margin": 0.01} if multiple else {}
    return rules


def decided(run, folder, rules):
    """[images, categories] what the program decides."""
    (folder / "again.yaml").write_text(json.dumps(rules))
    ok(run("classify", "again.yaml", "made.parquet", "--model", "demo", "-o", "again.parquet", "-q"))
    rows = pq.read_table(folder / "again.parquet").to_pylist()
    names = list(rules["categories"])
    matches = np.zeros((N_IMAGES, len(names)), bool)
    for row in rows:
        if row["rank"]:
            matches[int(row["id"][:5]), names.index(row["category"])] = True
    return matches


def rounded(ratio):
    """As the page writes a share."""
    return f"{100 * ratio:.1f}%"


@pytest.mark.parametrize("multiple, neutral", [(True, True), (True, False), (False, True), (False, False)])
def test_the_page_decides_as_the_program_does_at_any_threshold(run, browser, like, tmp_path, multiple, neutral):
    rng = np.random.default_rng(10 * multiple + neutral)
    make(tmp_path, like, N_IMAGES, seed=1)
    rules = random_rules(rng, multiple, neutral)
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    ok(run("classify", "rules.yaml", "made.parquet", "--model", "demo", "--report", "r.html", "-q"))
    page = browser.open(tmp_path / "r.html")
    get = "m.decide(); return [...m.matches];"
    some = False
    for _ in range(3):
        thresholds = [c["threshold"] for c in rules["categories"].values()]
        got = page.run(MODEL % f"m.thresholds = {thresholds}; {get}")
        matches = decided(run, tmp_path, rules)
        assert np.array_equal(np.array(got, bool).reshape(len(thresholds), N_IMAGES).T, matches)
        some |= 0 < matches.sum() < matches.size
        for category in rules["categories"].values():
            category["threshold"] = round(float(rng.normal(0.1, 0.15)), 3)
    assert some
    assert page.console == []


@pytest.mark.parametrize("mode", ["softmax", "argmax"])
def test_without_thresholds_there_is_no_slider_and_the_best_wins(run, browser, like, tmp_path, mode):
    make(tmp_path, like, N_IMAGES, seed=2)
    ok(run("classify", "--classes", ",".join(WORDS), "made.parquet", "--model", "demo", "--mode", mode,
           "--all", "-o", "all.parquet", "--report", "r.html", "-q"))
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    best = {int(row["id"][:5]): WORDS.index(row["category"]) for row in rows if row["rank"] == 1}
    page = browser.open(tmp_path / "r.html")
    assert page.run(MODEL % "return [...m.answers]") == [best[i] for i in range(N_IMAGES)]
    assert page.run("document.querySelectorAll('.slider').length") == 0
    assert page.console == []


@pytest.fixture
def labelled(run, browser, like, tmp_path):
    """A report with labels, open in the browser; its rules."""
    make(tmp_path, like, N_IMAGES, seed=3)
    rules = random_rules(np.random.default_rng(5), True, True)
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    ok(run("classify", "rules.yaml", "made.parquet", "--model", "demo", "--labels", "labels.csv", "--report", "r.html",
           "-q"))
    return browser.open(tmp_path / "r.html"), rules


def labels_of(folder):
    lines = (folder / "labels.csv").read_text().splitlines()[1:]
    return {int(line[:5]): line.split(",")[1] for line in lines}


def text(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)}).textContent")


def test_a_slider_decides_again_and_says_what_that_changes(run, labelled, tmp_path):
    page, rules = labelled
    before = decided(run, tmp_path, rules)
    rules["categories"]["hat"]["threshold"] = 0.05
    page.enter("#c2 .slider", "0.05")
    after = decided(run, tmp_path, rules)
    entered, left = (after & ~before)[:, 1].sum(), (before & ~after)[:, 1].sum()
    assert entered + left > 0
    labels = labels_of(tmp_path)
    is_hat = np.array([labels.get(i) == "hat" for i in range(N_IMAGES)])
    is_labelled = np.array([i in labels for i in range(N_IMAGES)])
    right = (after[:, 1] & is_hat).sum()
    effect = text(page, "#c2 .effect")
    assert effect == (f"{after[:, 1].sum()} match · {entered} newly in, {left} out · "
                      f"precision {rounded(right / (after[:, 1] & is_labelled).sum())}, recall {rounded(right / is_hat.sum())}")
    none = (after.sum(1) == 0).sum()
    assert text(page, "#c2 .count") == text(page, '.chips a[href="#c2"] span') == str(after[:, 1].sum())
    assert text(page, "#none .count") == text(page, '.overview a[href="#none"] .n') == str(none)
    assert text(page, "#c2 .tick.strong") == "0.05"
    assert "1 threshold changed" in text(page, ".changed output")
    # And back.
    page.click(".reset-all")
    assert text(page, "#c2 .count") == str(before[:, 1].sum())
    assert page.run("document.querySelector('.changed').hidden") is True
    assert page.console == []


def test_the_figures_follow_the_thresholds_as_the_program_counts_them(run, labelled, tmp_path):
    page, rules = labelled
    for name, threshold in (("dress", 0.02), ("shoes", 0.2), ("hat", -0.1)):
        rules["categories"][name]["threshold"] = threshold
        page.enter(f"#c{WORDS.index(name) + 1} .field", str(threshold))
    (tmp_path / "again.yaml").write_text(json.dumps(rules))
    ok(run("classify", "again.yaml", "made.parquet", "--model", "demo", "--labels", "labels.csv", "--report", "again.html",
           "-q"))
    again = page.browser.open(tmp_path / "again.html")
    read = "[...document.querySelectorAll('#accuracy %s')].map((e) => e.textContent)"
    for part in (".figures b", ".numbers td", ".matrix td"):
        texts = page.run(read % part)
        assert texts == again.run(read % part) and len(texts) > 1
    classes = "[...document.querySelectorAll('.matrix td')].map((e) => e.className)"
    assert page.run(classes) == again.run(classes)
    # What the page counts is what the program wrote.
    written = re.findall(r"<td[^>]*>([^<]*)</td>", (tmp_path / "again.html").read_text().split('id="accuracy"')[1].split("</section>")[0])
    live = again.run("[...document.querySelectorAll('#accuracy td')].map((e) => e.textContent)")
    assert live == written
    data = json.loads(ok(run("classify", "again.yaml", "made.parquet", "--model", "demo", "--labels", "labels.csv", "--json",
                             "-o", "x.csv")).out)
    assert text(page, "#accuracy .accuracy") == rounded(data["accuracy"])
    # Average precision is of the curve that is drawn.
    for k, name in enumerate(rules["categories"]):
        ap = next(c for c in data["classes"] if c["label"] == name)["average_precision"]
        assert text(page, f"#c{k + 1} .curve figcaption") == f"average precision {rounded(ap)}"


def test_thresholds_as_yaml_give_the_decisions_of_the_page(run, labelled, tmp_path):
    page, rules = labelled
    page.enter("#c1 .slider", "0.031")
    page.enter("#c4 .field", "0.1234567")
    page.click(".copy")
    yaml = page.run("document.querySelector('.yaml textarea').value")
    assert yaml == 'categories:\n  "dress":\n    threshold: 0.031\n  "shoes":\n    threshold: 0.1234567\n'
    assert "opied" in text(page, ".said") or "Copy this" in text(page, ".said")
    page.press("Escape")
    rules["categories"]["dress"]["threshold"] = 0.031
    rules["categories"]["shoes"]["threshold"] = 0.1234567
    matches = decided(run, tmp_path, rules)
    for k in (0, 3):
        assert text(page, f"#c{k + 1} .count") == str(matches[:, k].sum())
    # Nonsense in the field changes nothing.
    page.enter("#c1 .field", "7")
    assert text(page, "#c1 .count") == str(matches[:, 0].sum())


def test_a_cell_of_the_matrix_leads_to_its_pictures(run, labelled, tmp_path):
    page, rules = labelled
    best = best_matches(run, tmp_path)
    cells = {}
    for i, label in labels_of(tmp_path).items():
        cells.setdefault((label, best[i]), []).append(i)
    answers = [*rules["categories"], "nothing"]
    (label, answer), wanted = max(((k, v) for k, v in cells.items() if k[0] != k[1]), key=lambda cell: len(cell[1]))
    row = f"[...document.querySelectorAll('.matrix tbody tr')].find((r) => r.cells[0].textContent === '{label}')"
    page.run(f"{row}.cells[{answers.index(answer) + 1}].querySelector('button').id = 'wanted'")
    page.click("#wanted")
    assert text(page, ".cell-view h3") == f"Labelled {label}, answered {answer}: {len(wanted)} pictures"
    page.settle()
    shown = page.run("[...document.querySelectorAll('.cell-view .card')].map((c) => Number(c.dataset.i))")
    assert set(shown) <= set(wanted) and len(shown) >= min(len(wanted), 5)
    assert page.run("document.activeElement.textContent").startswith("Labelled ")
    page.press("Escape")
    assert page.run("document.querySelector('.cell-view').hidden") is True
    assert page.run("document.activeElement.id") == "wanted"
    assert page.console == []


def best_matches(run, folder):
    ok(run("classify", "rules.yaml", "made.parquet", "--model", "demo", "-o", "best.csv", "--top-k", "1", "-q"))
    rows = [line.split(",") for line in (folder / "best.csv").read_text().splitlines()[1:]]
    return {int(row[0][:5]): row[2] for row in rows}


def listed(page, section):
    return page.run(f"[...document.querySelectorAll('{section} > .grid .card')].map((c) => c.querySelector('.file').textContent)")


def test_order_search_and_only_mistakes(run, labelled, tmp_path):
    page, rules = labelled
    decided(run, tmp_path, rules)
    rows = [r for r in pq.read_table(tmp_path / "again.parquet").to_pylist() if r["category"] == "dress"]
    by_score = [r["id"] for r in sorted(rows, key=lambda r: (-r["score"], r["id"]))]
    page.run("document.querySelector('#c1').scrollIntoView({behavior: 'instant'})")
    page.settle()
    labels = labels_of(tmp_path)
    page.click("#c1 .show-all")
    for order, expected in (("score", by_score), ("reverse", by_score[::-1]), ("name", sorted(by_score)),
                            ("label", sorted(by_score, key=lambda name: (labels.get(int(name[:5]), ""), name)))):
        page.enter("#c1 .sort", order)
        page.run("document.querySelector('#c1').scrollIntoView({behavior: 'instant'})")
        page.settle()
        page.settle()
        got = listed(page, "#c1")
        assert len(got) > 10 and got == expected[:len(got)]
    page.enter("#c1 .sort", "score")
    page.click(".only-wrong")
    wrong = [name for name in by_score if labels.get(int(name[:5]), "dress") != "dress"]
    page.run("scrollTo({top: 0, behavior: 'instant'})")
    page.settle()
    got = listed(page, "#c1")
    assert got and got == wrong[:len(got)]
    assert page.run("document.querySelector('#accuracy').hidden") is True
    page.click(".only-wrong")
    page.enter("input[type=search]", by_score[0])
    page.run("new Promise((done) => setTimeout(done, 200))")
    assert listed(page, "#c1") == [by_score[0]]


def test_the_nearest_misses_are_those_that_lack_least(run, labelled, tmp_path):
    page, rules = labelled
    ok(run("classify", "rules.yaml", "made.parquet", "--model", "demo", "--all", "-o", "all.parquet", "-q"))
    rows = [r for r in pq.read_table(tmp_path / "all.parquet").to_pylist() if r["category"] == "hat"]
    lack = {}
    for r in rows:
        lack[r["id"]] = max(r["threshold"] - r["score"], r["neutral_sim"] + rules["neutral_margin"] - r["pos_sim"])
    matched = decided(run, tmp_path, rules)[:, 1]
    misses = sorted((name for name in lack if not matched[int(name[:5])]), key=lambda name: lack[name])
    page.click("#c2 .misses summary")
    page.run("document.querySelector('#c2 .misses').scrollIntoView({behavior: 'instant'})")
    page.settle()
    page.settle()
    got = page.run("[...document.querySelectorAll('#c2 .misses .card .file')].map((e) => e.textContent)")
    assert len(got) == 24 and got == misses[:24]
    note = text(page, "#c2 .misses .note")
    assert note.startswith(f"{lack[misses[0]]:.3f} ")


def test_the_keyboard_goes_everywhere(labelled):
    page, _ = labelled
    page.run("document.querySelector('#c1').scrollIntoView({behavior: 'instant'})")
    page.wait_for("#c1 .grid button")
    page.run("document.querySelector('#c1 .grid button').focus()")
    at = "Number(document.activeElement.closest('.card').ariaPosInSet)"
    columns = page.run("(() => { const tops = [...document.querySelectorAll('#c1 .grid > .card')].map((c) => c.getBoundingClientRect().top);"
                       "return tops.filter((t) => t === tops[0]).length })()")
    assert page.run(at) == 1
    for key, to in (("ArrowRight", 2), ("ArrowDown", 2 + columns), ("ArrowLeft", 1 + columns), ("ArrowUp", 1), ("ArrowUp", 1),
                    ("End", 48), ("Home", 1)):
        page.press(key)
        assert page.run(at) == to, key
        box = page.run("(() => { const b = document.activeElement.getBoundingClientRect(); return [b.top, b.bottom] })()")
        assert box[0] >= 0 and box[1] <= 900
    # One stop of the tab key a list.
    assert page.run("document.querySelectorAll('#c1 > .grid [tabindex=\"0\"]').length") == 1
    page.press("Enter")
    assert page.run("document.querySelector('.sheet').open") is True
    first = text(page, "#sheet-name")
    page.press("ArrowRight")
    assert text(page, "#sheet-name") != first
    assert page.run("document.querySelectorAll('.sheet tbody tr').length") == 5
    page.press("Escape")
    assert page.run(at) == 2
    # The slider, by keys.
    page.run("document.querySelector('#c1 .slider').focus()")
    before = float(page.run("document.querySelector('#c1 .field').value"))
    page.press("ArrowRight")
    assert float(page.run("document.querySelector('#c1 .field').value")) > before
    assert page.run("document.activeElement.className") == "slider"


def test_ten_thousand_pictures_are_few_elements(run, browser, like, tmp_path):
    photos = sorted((ROOT / "examples/photos").glob("*/*.jpg"))
    make(tmp_path, like, 10000, seed=4, path=lambda i: str(photos[i % 80]) if i % 50 == 0 else f"{i:05}.jpg")
    rules = {"version": 1, "categories": {"dress": {"positive": ["dress"], "threshold": -1}, "hat": {"positive": ["hat"], "threshold": 0.3}}}
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    ok(run("classify", "rules.yaml", "made.parquet", "--model", "demo", "--report", "r.html", "-q"))
    page = browser.open(tmp_path / "r.html")
    assert text(page, "#c1 .count") == "10,000"
    page.click("#c1 .show-all")
    most, seen, pictures = 0, set(), 0
    height = page.run("document.documentElement.scrollHeight")
    assert height > 10000 / 10 * 150
    for top in np.linspace(0, height, 25):
        page.run(f"scrollTo({{top: {top}, behavior: 'instant'}})")
        page.settle()
        cards = page.run("[...document.querySelectorAll('.card')].map((c) => Number(c.dataset.i))")
        most = max(most, len(cards))
        seen |= set(cards)
        pictures += page.run("document.querySelectorAll('.card img').length")
        # In the document in the order of the list.
        places = page.run("[...document.querySelectorAll('#c1 > .grid .card')].map((c) => Number(c.ariaPosInSet))")
        assert places == sorted(places)
    assert most < 200 and len(seen) > 1000 and pictures > 10
    broken = page.run("[...document.querySelectorAll('.card img')].filter((i) => i.complete && !i.naturalWidth).length")
    assert broken == 0
    page.run("document.querySelector('#c1 > .grid button').focus()")
    page.press("End")
    assert page.run("document.activeElement.closest('.card').ariaPosInSet") == "10000"
    assert page.console == []


def test_scores_that_are_too_many_stay_out_of_the_page(run, browser, like, tmp_path):
    make(tmp_path, like, 9000, seed=6)
    names = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS][:300] + WORDS
    rules = {"version": 1, "neutral": ["a photo"], "categories": {name: {"positive": [name], "threshold": 0.3} for name in names}}
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    ok(run("classify", "rules.yaml", "made.parquet", "--model", "demo", "--report", "r.html", "--thumbnails", "2000", "-q"),)
    html = (tmp_path / "r.html").read_text()
    assert 'id="scores"' not in html and len(html) < 8 << 20
    page = browser.open(tmp_path / "r.html")
    shown = page.run("document.querySelectorAll('.card').length")
    assert shown < 400
    assert page.run("document.querySelectorAll('.slider').length") == 0
    assert "more are not in this page" in page.run("document.body.textContent")
    page.run("document.querySelector(`${[...document.querySelectorAll('.chips a')].find((a) => a.textContent.match(/[1-9]\\d*$/)).hash}`)"
             ".scrollIntoView({behavior: 'instant'})")
    page.settle()
    page.settle()
    page.click(".card button")
    assert page.run("document.querySelectorAll('.sheet tbody tr').length") == 12
    assert page.console == []


@pytest.mark.parametrize("look", [{}, {"width": 390, "height": 844}, {"dark": True}, {"width": 320, "height": 600}])
def test_nothing_is_wider_than_the_window(run, browser, tmp_path, photos, look):
    ok(run("classify", CLOTHES, photos / "hat", photos / "dress", "--model", "demo", "--folders-as-labels", "--report", "r.html", "-q"))
    page = browser.open(tmp_path / "r.html", **look)
    page.enter("#c2 .field", "-0.3")
    assert page.run("document.documentElement.scrollWidth") <= look.get("width", 1280)
    strip = page.run("(() => { const b = document.querySelector('.changed').getBoundingClientRect(); return [b.left, b.right] })()")
    assert strip[0] >= 0 and strip[1] <= look.get("width", 1280)
    # Every control has a name, and every picture a text.
    unnamed = page.run("[...document.querySelectorAll('button, input, select, textarea')].filter((e) => !e.hidden && "
                       "!(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.querySelector('img[alt]'))).map((e) => e.outerHTML)")
    assert unnamed == []
    assert page.run("[...document.images].every((i) => i.alt !== '')") is True
    assert page.console == []
