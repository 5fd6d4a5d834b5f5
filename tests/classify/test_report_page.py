"""The report as a file: its pictures, its policy, and hostile names in a browser."""
import base64
import hashlib
import io
import pathlib
import re
import shutil

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "examples/clothes.yaml"
HOSTILE = ["</script><script>alert(1)<", "\"><img src=x onerror=alert(1)>.jpg", "a\nb.jpg", "{{title}} &lt;b&gt;.jpg"]


@pytest.fixture
def hostile_report(run, tmp_path, photos):
    """A report over files with hostile names and folders."""
    folder = tmp_path / "in"
    source = sorted((photos / "hat").iterdir())
    for i, name in enumerate(HOSTILE):
        path = folder / name if name.endswith(".jpg") else folder / name / "x.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source[i], path)
    (folder / "<b>broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = run("classify", RULES, "in", "--model", "demo", "--folders-as-labels", "--report", "r.html")
    assert result.code == 1, result
    return tmp_path / "r.html"


def test_pictures_are_small_jpegs_of_the_photos(run, tmp_path, photos):
    assert run("embed", "--model", "demo", photos, "-o", "p.parquet", "-q").code == 0
    assert run("classify", RULES, "p.parquet", "--report", "r.html", "-q").code == 0
    page = (tmp_path / "r.html").read_text()
    pictures = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"', page)
    assert len(pictures) == 80
    for data, width, height, alt in pictures:
        small = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        full = Image.open(photos / alt)
        assert small.size == (int(width), int(height)) and max(small.size) <= 240
        assert abs(small.width / small.height - full.width / full.height) < 0.02
    assert len(page) < 2 << 20


def test_the_policy_names_the_page_s_own_style_and_script(hostile_report):
    page = hostile_report.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1)
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        text = re.findall(rf"<{element}>(.*?)</{element}>", page, re.S)
        assert len(text) == 1
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "http" not in policy


def test_hostile_names_stay_text(hostile_report, browser, tmp_path):
    page = browser.open(hostile_report)
    for i in range(1, 12):
        page.run(f"document.querySelectorAll('.category')[{i - 1}].scrollIntoView({{behavior: 'instant'}})")
        page.settle()
        page.run("document.querySelector('.card button')?.click()")
        page.run("document.querySelector('.sheet').close()")
    for button in range(page.run("document.querySelectorAll('.matrix button').length")):
        page.run(f"document.querySelectorAll('.matrix button')[{button}].click()")
        page.settle()
    assert page.run("document.querySelectorAll('img[onerror], b:not(.figures b, .lede b), script').length") == \
        page.run("document.scripts.length")
    assert page.console == []
    # A page that does something else says so: the check can fail.
    broken = tmp_path / "broken.html"
    broken.write_text(hostile_report.read_text().replace("</body>", "<script>alert(1)</script></body>"))
    assert any("Content Security Policy" in line for line in browser.open(broken).console)


def test_without_javascript_the_pictures_and_numbers_are_there(hostile_report, browser):
    page = browser.open(hostile_report, script=False)
    page.call("Emulation.setScriptExecutionDisabled", value=False)  # to ask; the page's own never ran
    assert page.run("[...document.querySelectorAll('.card img')].filter((i) => i.naturalWidth > 0).length") > 0
    assert page.run("document.querySelectorAll('.card img').length") == len(HOSTILE)
    assert page.run("document.querySelector('.tools').hidden") is True
    assert "How often it was right" in page.run("document.body.innerText")


def test_pictures_that_are_gone_or_not_wanted(run, tmp_path, photos):
    (tmp_path / "in").mkdir()
    for path in sorted((photos / "hat").iterdir())[:3]:
        shutil.copy(path, tmp_path / "in")
    assert run("embed", "--model", "demo", "in", "-o", "p.parquet", "-q").code == 0
    gone = sorted((tmp_path / "in").iterdir())
    gone[0].unlink()
    gone[1].write_bytes(b"no longer a picture")
    assert run("classify", RULES, "p.parquet", "--report", "r.html").code == 0
    page = (tmp_path / "r.html").read_text()
    assert page.count("<img ") == 1 and page.count('class="no-picture"') == 2
    assert run("classify", RULES, "p.parquet", "--report", "r.html", "--thumbnails", "0").code == 0
    page = (tmp_path / "r.html").read_text()
    assert page.count("<img ") == 0 and page.count("more can be seen with JavaScript") >= 1
