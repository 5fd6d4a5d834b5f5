"""Options of `ken embed` that could not change anything are refused, instead of being ignored."""
import pytest

IMAGE_ONLY = [["--path-col", "a"], ["--image-col", "a"], ["--caption-col", "a"], ["--decoders", "2"],
              ["--timeout", "3"], ["--max-file-size", "100"], ["--no-sandbox"], ["--background", "white"],
              ["--resize", "fast"], ["--max-pixels", "100"], ["--strict"]]


@pytest.mark.parametrize("option", IMAGE_ONLY, ids=lambda option: option[0])
def test_image_options_with_texts(run, tmp_path, option):
    result = run("embed", "--text", "a hat", "-o", str(tmp_path / "x.parquet"), "--model", "demo", *option)
    assert result.code == 2 and f"'{option[0]}' changes nothing here: it goes with images" in result.err


@pytest.mark.parametrize("args,option,where", [
    (["in", "--text-col", "a"], "--text-col", "--texts"),
    (["--text", "a", "--text-col", "a"], "--text-col", "--texts"),
    (["in", "-0"], "--null", "names on standard input")])
def test_options_of_other_inputs(run, tmp_path, args, option, where):
    result = run("embed", *args, "-o", str(tmp_path / "x.parquet"), "--model", "demo")
    assert result.code == 2 and f"'{option}' changes nothing here: it goes with {where}" in result.err


def test_missing_column_is_bad_input(run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    result = run("embed", str(table), "--path-col", "c", "-o", str(tmp_path / "x.parquet"), "--model", "demo")
    assert result.code == 65 and "it has no column 'c'" in result.err and "'a', 'b'" in result.err
