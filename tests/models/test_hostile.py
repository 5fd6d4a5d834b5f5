"""Model directories made to do harm, through the program: each costs one line on stderr and the
documented exit code, within a second or so, and never a signal or a wait."""
import json
import os
import resource
import shutil
import struct
import subprocess

import pytest
from PIL import Image

CLASSIC = "tests/data/models/hf_clip_classic"
SHARDED = "tests/data/models/hf_clip_sharded"
SIGLIP2 = "tests/data/models/hf_siglip2"


@pytest.fixture
def model(root, tmp_path):
    """model(NAME) -> a copy of the tiny checkpoint of that name, free to be damaged."""

    def copy(name=CLASSIC):
        return shutil.copytree(root / name, tmp_path / "model", ignore=shutil.ignore_patterns("goldens*"))

    return copy


TEXT = [["tokenize", "--model", "model", "a"]]
IMAGE = [["embed", "--model", "model", "photo.png", "-o", "out.parquet", "-q"]]


@pytest.fixture
def refused(ken, tmp_path):
    """refused(CODE, *PARTS): every command ends with CODE, no output, and one printable line that holds
    all the parts, in 10 seconds of CPU time."""
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def call(code, *parts, commands=TEXT + IMAGE):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        for command in commands:
            process = subprocess.run([ken, *command], cwd=tmp_path, env=env, capture_output=True, text=True,
                                     errors="surrogateescape", timeout=30, preexec_fn=limit)
            shown = f"ken {command[0]}: {process.returncode}: {process.stderr[:2000]}"
            assert process.returncode == code, shown
            assert process.stderr.count("\n") == 1 and process.stderr.endswith("\n"), shown
            assert len(process.stderr) < 2000, shown
            assert process.stderr[:-1].isprintable(), shown
            assert process.stdout == "", shown
            for part in parts:
                assert part in process.stderr, shown
        assert not (tmp_path / "out.parquet").exists()

    return call


def header(text, data=b"", n=None):
    """The bytes of a safetensors file whose header is `text`, said to be n bytes long."""
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(text) if n is None else n) + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


# ---- the weights -------------------------------------------------------------------------------------

HOSTILE_HEADERS = {
    "empty": (b"", "expected at least 8"),
    "seven_bytes": (b"\x02\0\0\0\0\0\0", "expected at least 8"),
    "longer_than_the_file": (header("{}", n=3), "header"),
    "length_of_all_ones": (header("{}", n=2**64 - 1), "header"),
    "length_that_wraps": (header("{}", n=2**64 - 8), "header"),
    "not_utf8": (header(b'{"\xff\xfe":1}'), ""),
    "an_array": (header("[]"), ""),
    "cut": (header('{"a":{"dtype":"F32"'), ""),
    "wrapping_shape": (header(json.dumps({"a": entry([4194305, 4194305, 211106198978564], 0, 16)}), b"\0" * 16), "'a'"),
    "huge_integers": (header('{"a":{"dtype":"F32","shape":[1' + "0" * 400 + '],"data_offsets":[0,4]}}', b"\0" * 4), ""),
    "negative_shape": (header(json.dumps({"a": entry([-1], 0, 4)}), b"\0" * 4), ""),
    "negative_offset": (header(json.dumps({"a": entry([1], -4, 0)}), b"\0" * 4), ""),
    "end_before_begin": (header(json.dumps({"a": entry([1], 4, 0)}), b"\0" * 4), ""),
    "beyond_the_end": (header(json.dumps({"a": entry([2**40], 0, 2**42)}), b"\0" * 4), ""),
    "a_hole": (header(json.dumps({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}), b"\0" * 12), "a hole"),
    "overlap": (header(json.dumps({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}), b"\0" * 4), "'b'"),
    "trailing_bytes": (header(json.dumps({"a": entry([1], 0, 4)}), b"\0" * 8), ""),
    "two_of_a_name": (header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                             '"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', b"\0" * 4), "'a'"),
    "unknown_type": (header(json.dumps({"a": entry([1], 0, 4, "F31")}), b"\0" * 4), "F31"),
    "type_with_escapes": (header(json.dumps({"a": entry([1], 0, 4, "\x1b[2J\n")}), b"\0" * 4), ""),
    "name_with_escapes": (header(json.dumps({"\x1b[2J\n": entry([2], 0, 4)}), b"\0" * 4), ""),
    "name_of_a_megabyte": (header(json.dumps({"x" * 2**20: entry([2], 0, 4)}), b"\0" * 4), ""),
    "deep": (header("[" * 10**6), ""),
    "deep_metadata": (header('{"__metadata__":' + "{\"a\":" * 10**5 + "1" + "}" * 10**5 + "}"), ""),
    "metadata_of_numbers": (header('{"__metadata__":{"a":1}}'), "expected a string"),
    "shape_of_many_dimensions": (header(json.dumps({"a": entry([1] * 10**5, 0, 4)}), b"\0" * 4), "'a'"),
}


@pytest.mark.parametrize("name", HOSTILE_HEADERS)
def test_hostile_header(model, refused, name):
    contents, part = HOSTILE_HEADERS[name]
    (model() / "model.safetensors").write_bytes(contents)
    refused(65, "model.safetensors", part)


def test_header_above_the_limit(model, refused):
    with open(model() / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", 100_000_001))
        file.truncate(8 + 100_000_001)
    refused(65, "100000001", "100000000")


def test_a_million_tensors(model, refused):
    """A header of 60 MB that holds none of the tensors that the model needs."""
    text = ",".join('"t%06d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}' % (i, i, i + 1) for i in range(10**6))
    (model() / "model.safetensors").write_bytes(header("{" + text + "}", b"\0" * 10**6))
    refused(65, "model.safetensors", commands=TEXT)


@pytest.mark.parametrize("magic", [b"PK\x03\x04" + b"\0" * 60, b"\x80\x02}q\0." + b"\0" * 60, b"GGUF" + b"\0" * 60])
def test_other_formats_by_their_content(model, refused, magic):
    (model() / "model.safetensors").write_bytes(magic)
    refused(65, "is not a safetensors file")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.onnx"])
def test_other_formats_by_their_name(model, refused, name):
    directory = model()
    os.rename(directory / "model.safetensors", directory / name)
    refused(65, name)


# ---- files that are not files --------------------------------------------------------------------------

# Each with the commands that read it.
FILES = [("config.json", TEXT + IMAGE), ("model.safetensors", TEXT + IMAGE), ("vocab.json", TEXT),
         ("merges.txt", TEXT), ("tokenizer_config.json", TEXT), ("preprocessor_config.json", IMAGE)]
JSON_FILES = [(name, commands) for name, commands in FILES if name.endswith(".json")]


@pytest.mark.parametrize("name, commands", FILES, ids=lambda x: x if isinstance(x, str) else "")
def test_fifo_does_not_hang(model, refused, name, commands):
    path = model() / name
    path.unlink()
    os.mkfifo(path)
    refused(65, name, "not a regular file", commands=commands)


@pytest.mark.parametrize("name, commands", FILES, ids=lambda x: x if isinstance(x, str) else "")
def test_directory_in_place_of_a_file(model, refused, name, commands):
    path = model() / name
    path.unlink()
    path.mkdir()
    refused(65, name, "not a regular file", commands=commands)


@pytest.mark.parametrize("name, commands", FILES, ids=lambda x: x if isinstance(x, str) else "")
def test_endless_device(model, refused, name, commands):
    path = model() / name
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(77 if name == "model.safetensors" else 65, name, commands=commands)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_link_to_itself(model, refused, name):
    path = model() / name
    path.unlink()
    path.symlink_to(name)
    refused(66, name)


def test_directory_that_is_a_loop(refused, tmp_path):
    (tmp_path / "model").symlink_to("model")
    refused(66, "model")


def test_empty_configuration(model, refused):
    (model() / "config.json").write_bytes(b"")
    refused(65, "config.json")


# ---- configurations ------------------------------------------------------------------------------------

def test_configuration_of_100_megabytes(model, refused):
    with open(model() / "config.json", "ab") as file:
        file.truncate(100 << 20)
    refused(65, "config.json", "limit")


BROKEN = {"deep_array": "[" * 10**6, "deep_object": '{"a":' * 10**6, "cut": "{", "null": "null", "latin": "\xff",
          "two_of_a_name": '{"a":1,"a":2}', "nul": '{"model_type":"clip\\u0000x"}',
          "escapes": '{"model_type":"\\u001b[2J\\n"}', "wrong_type": '{"model_type":[]}', "nothing": "{}"}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_configuration(model, refused, text):
    (model() / "config.json").write_text(BROKEN[text], encoding="latin-1")
    refused(65, "config.json")


@pytest.mark.parametrize("text", ["deep_array", "deep_object", "cut", "null", "latin", "two_of_a_name"])
@pytest.mark.parametrize("name, commands", JSON_FILES[1:], ids=lambda x: x if isinstance(x, str) else "")
def test_broken_json(model, refused, name, commands, text):
    (model() / name).write_text(BROKEN[text], encoding="latin-1")
    refused(65, name, commands=commands)


VALUES = [0, -1, 2**31, 10**30, 1.5, "many"]
FIELDS = [("vision_config", "image_size"), ("vision_config", "patch_size"), ("vision_config", "hidden_size"),
          ("vision_config", "num_hidden_layers"), ("vision_config", "num_attention_heads"),
          ("text_config", "num_attention_heads"), ("text_config", "vocab_size"),
          ("text_config", "max_position_embeddings"), ("text_config", "intermediate_size"), (None, "projection_dim")]


@pytest.mark.parametrize("section, key", FIELDS)
def test_numbers_out_of_range(model, refused, section, key):
    directory = model()
    before = (directory / "config.json").read_text()
    for value in VALUES:
        config = json.loads(before)
        (config[section] if section else config)[key] = value
        (directory / "config.json").write_text(json.dumps(config))
        refused(65, "config.json" if value != 2**31 else "", commands=TEXT if section == "text_config" else IMAGE)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "0", "1e-300", "\"x\"", "1e400"])
def test_epsilon_out_of_range(model, refused, value):
    directory = model()
    text = (directory / "config.json").read_text()
    assert '"layer_norm_eps": 1e-05' in text
    (directory / "config.json").write_text(text.replace('"layer_norm_eps": 1e-05', f'"layer_norm_eps": {value}'))
    refused(65, "config.json")


# ---- ways out of the directory ---------------------------------------------------------------------------

@pytest.mark.parametrize("target", ["../outside.safetensors", "/etc/passwd", "sub/../../outside.safetensors",
                                    "..", "", "link.safetensors", "linked/outside.safetensors",
                                    "model-00001-of-00003.safetensors\0.safetensors"])
def test_index_that_leads_out(model, refused, tmp_path, target):
    directory = model(SHARDED)
    os.mkdir(directory / "sub")
    shutil.copy(directory / "model-00001-of-00003.safetensors", tmp_path / "outside.safetensors")
    (directory / "link.safetensors").symlink_to("../outside.safetensors")
    (directory / "linked").symlink_to("..")

    def lead(index):
        for name, file in index["weight_map"].items():
            if "00001" in file:
                index["weight_map"][name] = target

    edit(directory / "model.safetensors.index.json", lead)
    refused(77, "model.safetensors.index.json")


def test_index_names_what_is_not_there(model, refused):
    directory = model(SHARDED)
    (directory / "model-00002-of-00003.safetensors").unlink()
    refused(66, "model-00002-of-00003.safetensors")


def test_index_of_many_files(model, refused):
    directory = model(SHARDED)
    (directory / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {f"t{i}": f"./{'./' * i}model-00001-of-00003.safetensors" for i in range(200)}}))
    refused(65, "model.safetensors.index.json")


def test_weights_linked_from_elsewhere(model, refused, tmp_path):
    directory = model()
    os.rename(directory / "model.safetensors", tmp_path / "elsewhere.safetensors")
    (directory / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    refused(77, "model.safetensors")


def test_snapshot_of_the_hub_cache_is_allowed(model, run, tmp_path):
    """The hub's cache links files from snapshots/REV to blobs/; nothing else of the kind is allowed."""
    directory = model()
    snapshot = tmp_path / "models--org--name/snapshots/abc"
    blobs = tmp_path / "models--org--name/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in directory.iterdir():
        shutil.copy(file, blobs / file.name)
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    assert run("tokenize", "--model", snapshot, "a").code == 0


# ---- tokenizers ----------------------------------------------------------------------------------------

def test_token_ids_out_of_range(model, refused):
    directory = model()
    for value in (-1, 90, 2**31, 2**63, 1.5, "x", None):
        edit(directory / "vocab.json", lambda v: v.__setitem__("a</w>", value))
        refused(65, "vocab.json" if value != 90 else "", commands=TEXT)


def test_two_tokens_with_one_id(model, refused):
    directory = model()
    edit(directory / "vocab.json", lambda v: v.__setitem__("a</w>", v["b</w>"]))
    refused(65, "vocab.json", commands=TEXT)


TOKENIZERS = {
    "same_merges": (SHARDED, lambda t: t["model"].__setitem__("merges", [["a", "b"]] * 10**5)),
    "merge_of_one": (SHARDED, lambda t: t["model"].__setitem__("merges", ["a"])),
    "merge_of_unknown": (SHARDED, lambda t: t["model"].__setitem__("merges", [["a", "not-in-the-vocabulary"]])),
    "type": (SHARDED, lambda t: t["model"].__setitem__("type", "\x1b[2J")),
    "vocab": (SHARDED, lambda t: t["model"].__setitem__("vocab", [])),
    "added_huge": (SHARDED, lambda t: t.__setitem__("added_tokens", [{"id": 2**40, "content": "x", "special": True}])),
    "added_negative": (SHARDED, lambda t: t.__setitem__("added_tokens", [{"id": -1, "content": "x", "special": True}])),
    "pattern": (SIGLIP2, lambda t: t.__setitem__("pre_tokenizer", {
        "type": "Split", "pattern": {"Regex": "(" * 10**4}, "behavior": "Isolated", "invert": False})),
    "normalizer": (SIGLIP2, lambda t: t.__setitem__("normalizer", {
        "type": "Sequence", "normalizers": [{"type": "\x1b"}]})),
    "template": (SIGLIP2, lambda t: t.__setitem__("post_processor", {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "none", "type_id": 0}}], "pair": [],
        "special_tokens": {}})),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_hostile_tokenizer(model, refused, name):
    checkpoint, change = TOKENIZERS[name]
    edit(model(checkpoint) / "tokenizer.json", change)
    refused(65, "tokenizer.json", commands=TEXT)
