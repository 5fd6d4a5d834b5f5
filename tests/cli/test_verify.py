"""ken verify from the outside: the table, the JSON, and what the exit code says."""
import json
import shutil
from pathlib import Path

import pytest

MODELS = sorted(path.name for path in Path(__file__).parent.parent.joinpath("data/models").iterdir()
                if path.is_dir())


@pytest.fixture
def models(root):
    return root / "tests/data/models"


@pytest.fixture
def changed(models, tmp_path):
    """A copy of a model whose goldens hold one wrong number."""
    copy = tmp_path / "changed"
    shutil.copytree(models / "open_clip_vit", copy)
    path = copy / "goldens.safetensors"
    data = bytearray(path.read_bytes())
    header_size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + header_size])
    begin = 8 + header_size + header["vision.blocks.1"]["data_offsets"][0]
    data[begin + 2] ^= 0x40
    path.write_bytes(data)
    return copy


@pytest.mark.parametrize("name", MODELS)
def test_every_checkpoint_agrees(run, models, name):
    result = run("verify", models / name)
    assert result.code == 0, result
    assert "differs" not in result.out
    assert "image_embeddings" in result.out and "text_embeddings" in result.out


def test_json(run, models):
    result = run("verify", "--model", models / "hf_siglip", "--precision", "f32", "--json")
    assert result.code == 0
    report = json.loads(result.out)
    assert report["n_failed"] == 0 and report["n_without_reference"] == 0
    assert report["n_compared"] == len(report["layers"])
    assert report["cosine_min"] >= 0.999999
    assert [layer["name"] for layer in report["layers"]][:2] == ["vision.embeddings", "vision.blocks.0"]
    assert all(layer["max_abs_diff"] <= 1e-4 for layer in report["layers"])


def test_a_difference_is_exit_code_1(run, changed):
    result = run("verify", changed)
    assert result.code == 1
    lines = [line for line in result.out.splitlines() if "differs" in line]
    assert len(lines) == 1 and lines[0].startswith("vision.blocks.1 ")
    assert "13 of 14 agree" in result.out
    assert [layer["name"] for layer in json.loads(run("verify", changed, "--json").out)["layers"]
            if not layer["ok"]] == ["vision.blocks.1"]


def test_limits(run, models):
    assert run("verify", models / "hf_clip_gelu", "--max-abs-diff", "1e-9").code == 1


def test_demo_from_photos(run, photos):
    result = run("verify", "demo", "--photos", photos)
    assert result.code == 0, result
    assert "token_ids" in result.out
    assert "4 of 4 agree" in result.out


def test_without_goldens(run, models, tmp_path):
    shutil.copytree(models / "hf_clip_gelu", tmp_path / "m", ignore=lambda *_: ["goldens.safetensors"])
    result = run("verify", tmp_path / "m")
    assert result.code == 66
    assert "neither goldens.safetensors nor goldens.json" in result.err
    assert run("verify", tmp_path / "m", models / "hf_clip_gelu/goldens.safetensors").code == 0


def test_usage(run, models):
    assert run("verify").code == 2
    assert run("verify", models / "hf_siglip", "a", "b").code == 2
    assert run("verify", models / "hf_siglip", models / "hf_clip_gelu/goldens.safetensors").code == 65


@pytest.mark.parametrize("name", ["hf_clip_classic", "open_clip_rn"])
def test_s16(run, models, name):
    result = run("verify", models / name, "--precision", "s16", "--json")
    assert result.code == 0
    report = json.loads(result.out)
    assert report["precision"] == "s16" and report["n_failed"] == 0
    assert 0.99999 <= report["cosine_min"] < 1
    assert run("verify", models / name, "--precision", "s16", "--max-abs-diff", "1e-6").code == 1
