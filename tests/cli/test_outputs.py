"""A result is never written over what it is made from, whatever the file is called."""
import os
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def prepared(ken, photos, root, tmp_path_factory):
    """A picture, its collection under four names, rules, labels and texts."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(sorted(photos.glob("*/*.jpg"))[0], folder / "a.jpg")
    shutil.copy(root / "examples/clothes.yaml", folder / "r.yaml")
    (folder / "labels.csv").write_text("id,label\na.jpg,dress\n")
    (folder / "texts.txt").write_text("a dress\n")
    for command in ("embed a.jpg -o c.parquet -q", "preprocess a.jpg -o p.png"):
        subprocess.run([ken, *command.split()], cwd=folder, env={"KEN_MODEL": "demo", "HOME": str(folder)}, check=True)
    shutil.copy(folder / "c.parquet", folder / "texts.parquet")
    return folder


@pytest.fixture
def files(prepared, tmp_path):
    """Copies of the prepared files in tmp_path, two links to c.parquet, and the bytes of them all."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    os.link(tmp_path / "c.parquet", tmp_path / "hard.parquet")
    (tmp_path / "soft.parquet").symlink_to("c.parquet")
    return {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


@pytest.mark.parametrize("command", [
    "classify r.yaml c.parquet -o c.parquet",
    "classify r.yaml c.parquet -o ./c.parquet",
    "classify r.yaml c.parquet -o hard.parquet",
    "classify r.yaml c.parquet -o soft.parquet",
    "classify r.yaml c.parquet -o r.yaml --format csv",
    "classify r.yaml c.parquet --report r.yaml",
    "classify r.yaml a.jpg --report a.jpg",
    "classify --classes dress,hat a.jpg -o a.jpg --format csv",
    "classify r.yaml c.parquet --labels labels.csv -o labels.csv",
    "classify r.yaml c.parquet -o new.csv --report new.csv",
    "export c.parquet --to csv -o c.parquet",
    "export c.parquet --to jsonl -o hard.parquet",
    "preprocess p.png -o p.png",
    "embed c.parquet --path-col path -o c.parquet --restart",
    "embed c.parquet --path-col path -o soft.parquet --restart",
    "embed --texts texts.parquet --text-col id -o texts.parquet --restart",
])
def test_outputs_that_are_inputs(run, files, tmp_path, command):
    name, *rest = command.split()
    result = run(name, *(["--model", "demo"] if name != "export" else []), *rest)
    assert result.code == 2, result
    assert result.err.count("\n") == 1, result
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files


@pytest.mark.parametrize("option", ["--restart", "--update"])
def test_folder_of_photos_is_not_an_output(run, photos, tmp_path, option):
    shutil.copytree(photos, tmp_path / "photos")
    before = sorted(tmp_path.rglob("*"))
    result = run("embed", "--model", "demo", "photos", "-o", "photos/", option)
    assert result.code == 73 and result.err.count("\n") == 1, result
    assert sorted(tmp_path.rglob("*")) == before


CONTRADICTIONS = [
    ("embed a.jpg -o d/ --update --shard 0/2", "--shard"),
    ("embed a.jpg -o d.parquet --restart --resume auto", "--restart"),
    ("embed a.jpg --text x -o d.parquet", "texts and images"),
    ("embed --text x --texts t.txt -o d.parquet", "--texts"),
    ("embed --text x --update -o d/", "--update"),
    ("classify r.yaml c.parquet --labels labels.csv --folders-as-labels", "--folders-as-labels"),
    ("classify r.yaml c.parquet --template x", "--template"),
    ("classify r.yaml c.parquet --json --format csv", "--format"),
    ("classify r.yaml c.parquet --format html -o x.html --report y.html", "twice"),
    ("classify r.yaml c.parquet --format parquet", "-o FILE"),
    ("classify --classes a,a a.jpg", "twice"),
    ("classify --classes , a.jpg", "empty"),
]


@pytest.mark.parametrize("command, part", CONTRADICTIONS)
def test_contradictions(run, tmp_path, files, command, part):
    name, *rest = command.split()
    result = run(name, "--model", "demo", *rest)
    assert result.code == 2, result
    assert result.err.count("\n") == 1 and part in result.err, result
    assert {path for path in tmp_path.iterdir() if path.is_file()} == set(files)
