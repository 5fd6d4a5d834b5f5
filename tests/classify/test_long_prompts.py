"""Prompts that are longer than the model's context are cut, and each command that reads them says which."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CONTEXT = 77
LONG = "a photo of a dress that " + "hangs beside another dress that " * 20


@pytest.fixture
def hats(run):
    assert run("embed", "--model", "demo", str(ROOT / "examples/photos/hat"), "-o", "hats.parquet", "-q").code == 0
    return "hats.parquet"


def n_tokens(text):
    """Every word of these texts is one token of CLIP's vocabulary, and so is the stop; two more begin and end."""
    return len(text.split()) + text.endswith(".") + 2


def cut_ones(errors):
    return re.findall(r"prompt '(.*)' has (\d+) tokens, the model reads (\d+): the rest was cut", errors)


def test_a_long_class_is_named_with_its_tokens(run, hats):
    result = run("classify", "--model", "demo", "--classes", f"hat,{LONG}", hats, "-o", "rows.csv")
    assert result.code == 0, result
    named = cut_ones(result.err)
    assert len(named) == 1, result
    text, n, limit = named[0]
    whole = f"This is a photo of {LONG.strip()}."
    assert text.endswith("...") and whole.startswith(text[:-3]) and len(text) == 63
    assert (int(n), int(limit)) == (n_tokens(whole), CONTEXT)


def test_what_just_fits_is_not_named(run, hats):
    fits, cut = " ".join(["dress"] * (CONTEXT - 2)), " ".join(["dress"] * (CONTEXT - 1))
    for text, expected in ((fits, 0), (cut, 1)):
        result = run("classify", "--model", "demo", "--classes", f"hat,{text}", "--template", "{}", hats, "-o", f"{expected}.csv")
        assert result.code == 0, result
        assert len(cut_ones(result.err)) == expected, result


def test_ten_are_named_and_the_others_counted(run, hats, tmp_path):
    prompts = "".join(f"      - '{LONG} {i}'\n" for i in range(13))
    (tmp_path / "rules.yaml").write_text(f"version: 1\ncategories:\n  dress:\n    positive:\n{prompts}  hat:\n    positive: [hat]\n")
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(
        f"{p.name},hat\n" for p in sorted((ROOT / "examples/photos/hat").iterdir())))
    for command in (["classify", "--model", "demo", "rules.yaml", hats, "-o", "rows.csv"],
                    ["compare", "--model", "demo", "rules.yaml", "rules.yaml", hats, "--labels", "labels.csv"]):
        result = run(*command)
        assert f"ken {command[0]}: prompt 'a photo of a dress that" in result.err, result
        assert f"ken {command[0]}: 3 more prompts were cut to {CONTEXT} tokens" in result.err, result
    assert len(cut_ones(run(*command[:-1], "labels.csv", "-q").err)) == 0


def test_a_line_break_in_a_prompt_does_not_break_the_line(run, hats, tmp_path):
    text = "one\\ntwo " + "dress " * CONTEXT
    (tmp_path / "rules.yaml").write_text(f'version: 1\ncategories:\n  dress:\n    positive: ["{text}"]\n')
    result = run("classify", "--model", "demo", "rules.yaml", hats, "-o", "rows.csv")
    assert result.code == 0, result
    assert [named[0].startswith("one two dress") for named in cut_ones(result.err)] == [True], result
