"""The program's outside: help, unknown words, exit codes, one line per error."""
import json
import shutil
import subprocess

import numpy
import pytest
from PIL import Image

COMMANDS = ["embed", "export", "classify", "calibrate", "probe", "compare", "tokenize", "preprocess", "verify", "bench", "doctor", "help",
            "completion"]


def one_line(result, code, *parts):
    """The result failed as documented: its exit code, and one line that holds all the parts."""
    assert result.code == code, result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result


def test_help_lists_every_command(run):
    result = run("help")
    assert result.code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in result.out


def test_no_command_is_a_usage_error(run):
    result = run()
    assert result.code == 2
    assert "usage: ken COMMAND" in result.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    result = run("help", command)
    assert result.code == 0
    assert result.out.startswith(f"ken {command}: ")
    assert f"usage: ken {command}" in result.out
    assert run(command, "--help").out == result.out
    assert max(map(len, result.out.splitlines())) <= 100


@pytest.mark.parametrize("command", ["ken"] + COMMANDS)
def test_manual_pages_are_troff(run, command):
    page = run("help", "--man", command).out
    assert page.startswith(".TH KEN")
    assert ".SH NAME" in page
    for line in page.splitlines():
        assert not line.startswith("'"), line


def test_version_names_libraries_and_tier(run):
    result = run("--version")
    assert result.code == 0
    assert result.out.startswith("ken 0.1.0\ncpu tier: ")
    assert "duckdb v1.4.4" in result.out


def test_misspelt_command_is_suggested(run):
    one_line(run("emebd"), 2, "'emebd' is not a ken command", "did you mean 'embed'?")
    one_line(run("xyzzy-plugh"), 2, "'xyzzy-plugh' is not a ken command", "see 'ken help'")


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_option(run, command):
    one_line(run(command, "--no-such-option"), 2, f"ken {command}: unknown option")


def test_misspelt_option_is_suggested(run):
    one_line(run("tokenize", "--modle", "demo", "x"), 2, "did you mean '--model'?")


def test_missing_argument(run):
    one_line(run("tokenize", "x", "--model"), 2, "option '--model' needs an argument")


def test_bad_number_and_choice(run):
    one_line(run("embed", "--threads", "0"), 2, "'--threads' is 0, expected 1 to 1024")
    one_line(run("embed", "--precision", "f8"), 2, "'--precision' is 'f8', expected f32|s16")


def test_no_model_names_what_to_do(run):
    one_line(run("tokenize", "x"), 2, "no model was named", "--model demo")


def test_model_from_the_environment(run):
    assert run("tokenize", "x", env={"KEN_MODEL": "demo"}).code == 0


def test_missing_model(run):
    one_line(run("tokenize", "--model", "no/such/dir", "x"), 66, "no/such/dir")


def test_errors_are_json_when_asked(run):
    result = run("tokenize", "--json", "--model", "no/such/dir", "x")
    assert result.code == 66
    error = json.loads(result.err)["error"]
    assert error["code"] == "not_found"
    assert "no/such/dir" in error["message"]
    assert set(error) == {"code", "message", "hint"}


def test_names_cannot_move_the_cursor(run):
    result = run("preprocess", "--model", "demo", "evil\x1b[2J\n.jpg", "-o", "x.npy")
    assert result.code == 66
    assert "\x1b" not in result.err
    assert result.err.count("\n") == 1
    assert "evil\\x1b[2J\\x0a.jpg" in result.err
    result = run("preprocess", "--model", "demo", "evil\u009b2J \u00e4.jpg", "-o", "x.npy")
    assert "evil\\xc2\\x9b2J \u00e4.jpg" in result.err


def test_cpu_tier_can_be_forced_and_is_checked(run):
    assert run("tokenize", "--model", "demo", "--cpu", "scalar", "x").code == 0
    one_line(run("tokenize", "--model", "demo", "--cpu", "mmx", "x"), 2, "mmx")


def test_tokenize_prints_json_arrays(run):
    result = run("tokenize", "--model", "demo", "a photo of a dress", "a")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [len(line) for line in lines] == [77, 77]
    assert lines[0][:7] == [49406, 320, 1125, 539, 320, 2595, 49407]
    assert lines[0][7:] == [0] * 70


def test_tokenize_json_has_pieces(run):
    result = run("tokenize", "--model", "demo", "--json", "hello world", "x " * 100)
    rows = json.loads(result.out)
    assert rows[0]["n_tokens"] == 4 and not rows[0]["truncated"]
    assert rows[0]["pieces"][1] == "hello</w>"
    assert rows[1]["truncated"] and rows[1]["n_tokens"] == 77
    assert rows[1]["ids"][-1] == 49407


def test_tokenize_reads_files(run, tmp_path):
    (tmp_path / "texts.txt").write_text("a dress\r\na hat\n\nlast")
    result = run("tokenize", "--model", "demo", "-f", "texts.txt")
    assert len(result.out.splitlines()) == 4


def test_preprocess_writes_what_the_encoder_gets(run, tmp_path, photos):
    photo = sorted(photos.glob("*/*.jpg"))[0]
    assert run("preprocess", "--model", "demo", photo, "-o", "x.npy").code == 0
    assert run("preprocess", "--model", "demo", photo, "-o", "x.png").code == 0
    planes = numpy.load(tmp_path / "x.npy")
    assert planes.dtype == numpy.float32 and planes.shape == (3, 128, 128)
    pixels = numpy.asarray(Image.open(tmp_path / "x.png"))
    mean = numpy.array([0.48145466, 0.4578275, 0.40821073], numpy.float32)
    std = numpy.array([0.26862954, 0.26130258, 0.27577711], numpy.float32)
    expected = (pixels.astype(numpy.float32) / numpy.float32(255) - mean) / std
    assert numpy.array_equal(planes, expected.transpose(2, 0, 1))


def test_preprocess_fast(run, tmp_path):
    """Large JPEG files: about the same pixels, and the recipe says so. Others: the same."""
    waves = numpy.add.outer(numpy.arange(900) ** 1.5, numpy.arange(1200)) % 256
    Image.fromarray(waves.astype(numpy.uint8)).convert("RGB").save(tmp_path / "large.jpg", quality=90)
    Image.fromarray(waves[:60, :80].astype(numpy.uint8)).convert("RGB").save(tmp_path / "small.jpg")
    seen = {}
    for name in ("large", "small"):
        for how in ("exact", "fast"):
            result = run("preprocess", "--model", "demo", f"{name}.jpg", "--resize", how, "-o", "x.png", "--json")
            assert result.code == 0, result.err
            assert json.loads(result.out)["preprocess"].get("resize") == ("fast" if how == "fast" else None)
            seen[name, how] = numpy.asarray(Image.open(tmp_path / "x.png"), numpy.int32)
    assert numpy.array_equal(seen["small", "fast"], seen["small", "exact"])
    difference = numpy.abs(seen["large", "fast"] - seen["large", "exact"])
    assert 0 < difference.mean() < 4
    one_line(run("preprocess", "--model", "demo", "small.jpg", "--resize", "lazy", "-o", "x.png"), 2, "lazy")


def test_preprocess_errors(run, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"not an image")
    one_line(run("preprocess", "--model", "demo", "bad.jpg", "-o", "x.npy"), 65, "'bad.jpg'",
             "sniff")
    one_line(run("preprocess", "--model", "demo", "none.jpg", "-o", "x.npy"), 66, "'none.jpg'")
    one_line(run("preprocess", "--model", "demo", "none.jpg"), 2, "no output was named")
    Image.new("RGB", (8, 8)).save(tmp_path / "ok.png")
    one_line(run("preprocess", "--model", "demo", "ok.png", "-o", "x.txt"), 2, "'x.txt'")
    one_line(run("preprocess", "--model", "demo", "ok.png", "-o", "no/dir/x.png"), 73, "no/dir")
    one_line(run("preprocess", "--model", "demo", "ok.png", "--background", "mauve", "-o", "x.png"),
             2, "'mauve'")
    one_line(run("preprocess", "--model", "demo", "ok.png", "--max-pixels", "63", "-o", "x.png"),
             65, "8x8", "63")


def test_full_device_is_an_io_error(ken):
    with open("/dev/full", "w") as full:
        process = subprocess.run([ken, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 74
    assert "standard output" in process.stderr


def test_doctor(run):
    result = run("doctor", "--json")
    assert result.code == 0
    report = json.loads(result.out)
    assert report["tiers"][0]["tier"] == "scalar" and report["tiers"][0]["runs"]
    assert report["tier"] in [tier["tier"] for tier in report["tiers"] if tier["runs"]]
    assert report["cpus"] >= 1


def test_bench(run):
    result = run("bench", "demo", "--threads", "2", "--batch", "4", "--seconds", "0.01", "--json")
    assert result.code == 0, result
    rows = json.loads(result.out)["rows"]
    assert [(row["kind"], row["batch"], row["threads"]) for row in rows] == [
        (kind, batch, threads) for kind in ("image", "text") for threads in (1, 2)
        for batch in (1, 4)]
    assert all(row["per_second"] > 0 for row in rows)
    assert all(row["n_tokens"] > 8 for row in rows if row["kind"] == "text")
    table = run("bench", "demo", "--threads", "1", "--batch", "1", "--seconds", "0.01")
    assert table.code == 0 and table.out.count("\n") == 5
    one_line(run("bench"), 2, "--model")
    assert run("bench", "demo", "--seconds", "0").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_parse(run, tmp_path, shell):
    script = run("completion", shell)
    assert script.code == 0
    for command in COMMANDS:
        assert command in script.out
    if shutil.which(shell):
        (tmp_path / "script").write_text(script.out)
        check = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True)
        assert check.returncode == 0, check.stderr


def test_bash_completion_completes(run, tmp_path):
    (tmp_path / "script").write_text(run("completion", "bash").out)
    reply = subprocess.run(
        ["bash", "-c", "source ./script; COMP_WORDS=(ken embed --mod); COMP_CWORD=2; _ken; "
         "echo ${COMPREPLY[@]}"], cwd=tmp_path, capture_output=True, text=True)
    assert reply.stdout.split() == ["--model"], reply.stderr
