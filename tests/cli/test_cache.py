"""The cache of packed weights, as its user meets it: docs/cache.md."""
import os
import subprocess

import pytest


@pytest.fixture
def home(tmp_path):
    return tmp_path / "cache-home"


@pytest.fixture
def encode(run, home, tmp_path):
    """encode(MORE...) embeds a text with a cache of its own; returns the result and the vector's bytes."""
    import pyarrow.parquet as pq

    def call(*more, env=None):
        result = run("embed", "--text", "a red dress", "-o", "out.parquet", "--restart", "--model", "demo", *more,
                     env={"XDG_CACHE_HOME": str(home), **(env or {})})
        assert result.code == 0, result
        return result, pq.read_table(tmp_path / "out.parquet")["embedding"].to_pylist()

    return call


def packs(home):
    return sorted((home / "ken").glob("pack-*"))


def test_second_start_maps(encode, home):
    first, vector = encode("-v")
    assert "the packed text tower is kept in" in first.err
    assert [path.name.split("-")[1] for path in packs(home)] == ["text"]
    assert (home / "ken").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (home / "ken").iterdir())
    second, again = encode("-v")
    assert "the packed text tower comes from" in second.err and "is kept in" not in second.err
    assert again == vector
    quiet, again = encode()
    assert "packed" not in quiet.err and again == vector


def test_no_cache_leaves_nothing(encode, home):
    _, vector = encode("--no-cache")
    assert not home.exists()
    _, again = encode("-v", env={"KEN_CACHE_LIMIT": "0"})
    assert not home.exists()
    assert again == vector
    encode()
    before = {path: path.stat().st_mtime_ns for path in (home / "ken").iterdir()}
    _, again = encode("--no-cache")
    assert again == vector
    assert {path: path.stat().st_mtime_ns for path in (home / "ken").iterdir()} == before


def test_damage_is_one_warning(encode, home):
    _, vector = encode()
    path, = packs(home)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result, again = encode()
    warnings = [line for line in result.err.splitlines() if "damaged" in line]
    assert len(warnings) == 1 and warnings[0].startswith("ken embed: the packed weights in "), result
    assert again == vector
    result, again = encode()
    assert "damaged" not in result.err and again == vector
    path.write_bytes(path.read_bytes()[:5000])
    result, again = encode("-v")
    assert "its length is wrong; it is made again" in result.err and again == vector


def test_limit(encode, home, run):
    encode("-v", env={"KEN_CACHE_LIMIT": "1G"})
    size = packs(home)[0].stat().st_size
    text, = packs(home)
    os.utime(text, (1, 1))
    result, _ = encode("--precision", "f32", env={"KEN_CACHE_LIMIT": str(5 * size // 2)})
    assert text not in packs(home) and len(packs(home)) == 1
    result, _ = encode("-v", env={"KEN_CACHE_LIMIT": "1K"})
    assert "is not kept: " in result.err and "limit is 1024" in result.err
    for bad in ("much", "-1", "1X", "10MB", "99999999999999999999"):
        result = run("embed", "--text", "x", "-o", "x.parquet", "--model", "demo", env={"KEN_CACHE_LIMIT": bad})
        assert result.code == 2 and f"KEN_CACHE_LIMIT is '{bad}'" in result.err


def test_folder_that_cannot_be_used(encode, home):
    _, vector = encode("--no-cache")
    result, again = encode(env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert "packed" not in result.err and again == vector
    result, again = encode("-v", env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert "weights are packed anew: could not create folder '/proc/nowhere/ken'" in result.err and again == vector
    (home / "ken").mkdir(parents=True)
    (home / "ken").chmod(0o777)
    result, again = encode()
    assert "has mode 0777: others may write to it" in result.err and again == vector
    assert not packs(home)


def test_full_disk(ken, home, tmp_path):
    """The first write beyond a megabyte fails, as on a full disk: the result is there, the cache is not."""
    script = 'ulimit -f 1024; exec "$@"'
    result = subprocess.run(["sh", "-c", script, "sh", ken, "tokenize", "--model", "demo", "-v", "a red dress"],
                            cwd=tmp_path, capture_output=True, text=True,
                            env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(home)})
    assert result.returncode == 0 and result.stdout.startswith("[49406,"), result
    assert "is not kept: could not write" in result.stderr
    assert not list((home / "ken").glob("pack-*")) and not list((home / "ken").glob("tmp-*"))


def test_concurrent_starts(ken, home, tmp_path):
    env = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(home)}
    for _ in range(3):
        starts = [subprocess.Popen([ken, "tokenize", "--model", "demo", "-v", "a red dress"], cwd=tmp_path, env=env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        results = [(*start.communicate(timeout=60), start.returncode) for start in starts]
        assert len({out for out, _, _ in results}) == 1
        for _, err, code in results:
            assert code == 0 and ("is kept in" in err or "comes from" in err), err
        path, = packs(home)
        assert not list((home / "ken").glob("tmp-*"))
        path.unlink()


def test_doctor(run, encode, home):
    import json

    def cache(**env):
        result = run("doctor", "--json", env={"XDG_CACHE_HOME": str(home), **env})
        assert result.code == 0, result
        return json.loads(result.out)["cache"]

    assert cache() == {"dir": f"{home}/ken", "files": 0, "used_bytes": 0, "limit_bytes": 0, "problem": ""}
    assert not home.exists()
    encode()
    state = cache(KEN_CACHE_LIMIT="1G")
    files = list((home / "ken").iterdir())
    assert state["files"] == len(files) and state["limit_bytes"] == 1 << 30
    assert state["used_bytes"] == sum(path.stat().st_size for path in files)
    assert cache(KEN_CACHE_LIMIT="0")["dir"] == ""
    text = run("doctor", env={"XDG_CACHE_HOME": str(home)}).out
    assert f"cache of packed weights: '{home}/ken': {len(files)} files" in text
    (home / "ken").chmod(0o777)
    assert "has mode 0777" in cache()["problem"]


@pytest.mark.parametrize("command", ["embed --text dress", "embed --text dress --json", "tokenize dress",
                                     "help embed", "preprocess photo.jpg -o x.npy"])
def test_no_heavy_libraries(ken, tmp_path, photos, cache_home, command):
    """What is not needed is not loaded: LD_DEBUG tells every library."""
    import shutil
    shutil.copy(sorted(photos.glob("*/*.jpg"))[0], tmp_path / "photo.jpg")
    process = subprocess.run([ken, *command.split()], cwd=tmp_path, capture_output=True, text=True,
                             env={"KEN_MODEL": "demo", "XDG_CACHE_HOME": str(cache_home), "LD_DEBUG": "files"})
    assert process.returncode == 0
    assert "calling init" in process.stderr and "libjansson" in process.stderr
    for name in ("libduckdb", "libvips", "libglib"):
        assert name not in process.stderr, name


def test_text_to_standard_output(run, encode, tmp_path):
    """The same bits as in a collection; nothing is written."""
    import json
    import struct

    _, (vector,) = encode()
    result = run("embed", "--text", "a red dress", "--text", "a \"shoe\"", "--model", "demo")
    assert result.code == 0 and result.err == ""
    lines = result.out.splitlines()
    assert len(lines) == 2
    pack = struct.Struct(f"{len(vector)}f").pack
    assert pack(*json.loads(lines[0])) == pack(*vector)
    result = run("embed", "--text", "a red dress", "--text", "a \"shoe\"", "--model", "demo", "--json")
    first, second = json.loads(result.out)
    assert first["embedding"] == json.loads(lines[0]) and second["embedding"] == json.loads(lines[1])
    assert first["id"] == "0" and first["text"] == "a red dress" and second["text"] == "a \"shoe\""
    assert first["n_tokens"] == 5 and first["truncated"] is False
    (tmp_path / "texts.txt").write_text("a red dress\n" * 40 + "dress " * 100 + "\n")
    result = run("embed", "--texts", "texts.txt", "--model", "demo", "--threads", "3")
    assert result.out.splitlines()[:40] == [lines[0]] * 40
    assert len(result.out.splitlines()) == 41 and "was cut to 77 tokens" in result.err
    assert run("embed", "--model", "demo", "photo.jpg").code == 2
    assert run("embed", "--text", "x", "--update", "--model", "demo").code == 2
