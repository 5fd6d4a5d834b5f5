"""A bad item costs one line of the error table, and never the run, its neighbours or much time."""
import os
import struct
import time
import zlib

import pytest

from conftest import children

GOOD = [f"{c}.jpg" for c in "abcdefgh"]


def failures(embed, path="out.errors.csv"):
    return [(e["id"], e["stage"], e["reason"]) for e in embed.errors(path)]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_bad_image_at_each_position(embed, folder, threads):
    embed.ok("in", "-o", "good.parquet")
    good = {r["id"]: r for r in embed.table("good.parquet").to_pylist()}
    for position in range(9):
        name = chr(ord("`") + position) + "~.jpg" if position else "A.jpg"
        (folder / name).write_bytes(b"\xff\xd8\xff no picture")
        result = embed("in", "-o", "out.parquet", "--restart", "--threads", threads, "--part-rows", "4")
        (folder / name).unlink()
        assert result.returncode == 1, result.err
        assert "1 items failed" in result.err and "out.errors.csv" in result.err
        assert {r["id"]: r for r in embed.table("out.parquet").to_pylist()} == good
        assert [f[0] for f in failures(embed)] == [name]
    embed.ok("in", "-o", "out.parquet", "--restart")
    assert not (embed.dir / "out.errors.csv").exists()


def test_everything_bad(embed, folder):
    for name in GOOD:
        (folder / name).write_bytes(b"GIF89a")
    result = embed("in", "-o", "out.parquet", "--part-rows", "3")
    assert result.returncode == 1 and embed.table("out.parquet").num_rows == 0
    assert len(failures(embed)) == 8
    assert embed.run("export", "out.parquet", "--to", "npy", "-o", "x.npy").returncode == 0


def test_strange_files(embed, folder):
    os.mkfifo(folder / "fifo.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a picture")
    (folder / "pdf.jpg").write_bytes(b"%PDF-1.4\n")
    (folder / "dir.jpg").mkdir()
    started = time.monotonic()
    result = embed("in", "in/fifo.jpg", "/dev/zero", "in/gone.jpg*", "-o", "out.parquet")
    assert result.returncode == 66 and "gone.jpg" in result.err
    result = embed("in", "/dev/zero", "-o", "out.parquet")
    assert time.monotonic() - started < 20
    assert result.returncode == 1
    found = {f[0]: f[1:] for f in failures(embed)}
    assert found["in/fifo.jpg"] == ("open", "not_regular")
    assert found["/dev/zero"] == ("open", "not_regular")
    assert found["in/empty.jpg"] == ("open", "empty")
    assert found["in/text.jpg"][0] == "sniff" and found["in/pdf.jpg"][0] == "sniff"
    assert len(found) == 5
    assert embed.table("out.parquet")["id"].to_pylist() == [f"in/{n}" for n in GOOD]


def test_file_that_is_gone_when_its_turn_comes(embed, folder):
    names = [f"in/{n}" for n in GOOD]
    listed = "\n".join(names[:4] + ["in/vanished.jpg"] + names[4:])
    result = embed("-", "-o", "out.parquet", stdin=listed.encode())
    assert result.returncode == 1
    assert failures(embed) == [("in/vanished.jpg", "open", "not_found")]
    assert embed.table("out.parquet")["id"].to_pylist() == names


def test_folder_renamed_after_it_was_listed(embed, folder):
    process = embed.start("in", "-o", "out.parquet", "--threads", "1", "--part-rows", "2")
    while not (embed.dir / "out.parquet.parts").exists() and process.poll() is None:
        time.sleep(0.001)
    os.rename(folder, embed.dir / "elsewhere")
    process.communicate(timeout=60)
    rows = embed.table("out.parquet").num_rows
    lost = len(failures(embed)) if (embed.dir / "out.errors.csv").exists() else 0
    assert rows + lost == 8 and process.returncode == (1 if lost else 0)


def png_of_size(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    row = zlib.compress(b"\0" * 1000)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", row) + chunk(b"IEND", b""))


def test_pixel_flood_is_refused_before_it_is_decoded(embed, folder):
    (folder / "flood.png").write_bytes(png_of_size(30000, 30000))
    started = time.monotonic()
    result = embed("in", "-o", "out.parquet")
    assert result.returncode == 1 and time.monotonic() - started < 10
    (failure,) = embed.errors("out.errors.csv")
    assert failure["reason"] == "too_large"
    assert "30000" in failure["detail"] and "178956970" in failure["detail"]


def test_limits_are_the_users(embed, folder):
    result = embed("in", "-o", "out.parquet", "--max-pixels", "1000")
    assert result.returncode == 1 and len(failures(embed)) == 8
    result = embed("in", "-o", "small.parquet", "--max-file-size", "100")
    assert {f[1:] for f in failures(embed, "small.errors.csv")} == {("open", "too_large")}


def test_damaged_image_is_taken_or_refused_but_always_the_same(embed, folder):
    whole = (folder / "c.jpg").read_bytes()
    (folder / "c.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    result = embed.ok("in", "-o", "out.parquet", "-v", "--threads", "1")
    assert "'in/c.jpg': damaged" in result.err and "1 images are damaged" in result.err
    embed.ok("in", "-o", "again.parquet", "--threads", "3")
    assert embed.digest("out.parquet") == embed.digest("again.parquet")
    result = embed("in", "-o", "strict.parquet", "--strict")
    assert result.returncode == 1 and [f[0] for f in failures(embed, "strict.errors.csv")] == ["c.jpg"]


def noise(path, side):
    """A picture that takes long to decode."""
    import numpy as np
    from PIL import Image
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, compress_level=1)


def test_item_timeout(embed, folder):
    """Nothing decodes in a thousandth of a second when it is given a very large picture."""
    noise(folder / "large.png", 4000)
    started = time.monotonic()
    result = embed("in", "-o", "out.parquet", "--timeout", "0.05", "--threads", "1")
    assert result.returncode == 1 and time.monotonic() - started < 30
    assert ("large.png", "decode", "timeout") in failures(embed)


def test_killed_decoder_costs_one_item(embed, folder):
    """Whatever happens to a decoder from outside, the run goes on with a new one."""
    for i in range(3):
        noise(folder / f"large{i}.png", 3000)
    process = embed.start("in", "-o", "out.parquet", "--threads", "1", "--decoders", "1")
    killed = False
    while process.poll() is None and not killed:
        for keeper in children(process.pid):
            for worker in children(keeper):
                if busy(worker):
                    os.kill(worker, 9)
                    killed = True
        time.sleep(0.005)
    process.communicate(timeout=60)
    assert killed and process.returncode == 1
    (failure,) = embed.errors("out.errors.csv")
    assert failure["reason"] == "crashed" and "signal 9" in failure["detail"]
    assert embed.table("out.parquet").num_rows == 10


def busy(pid):
    """Has it decoded for a while?"""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[11]) > 5
    except OSError:
        return False


def test_no_process_is_left_behind(embed, folder):
    process = embed.start("in", "-o", "out.parquet", "--decoders", "3")
    family = set()
    while process.poll() is None:
        for keeper in children(process.pid):
            family.add(keeper)
            family.update(children(keeper))
        if len(family) >= 3:
            process.kill()
        time.sleep(0.002)
    process.communicate()
    time.sleep(0.3)
    left = [pid for pid in family if os.path.exists(f"/proc/{pid}") and alive(pid)]
    assert not left


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_little_memory(embed, folder):
    """Under a limit on addresses, a run ends with one of our exit codes, never with a signal."""
    import resource

    def limit(size):
        return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))

    for size in (100 << 20, 300 << 20, 1 << 30):
        result = embed("in", "-o", "out.parquet", "--threads", "1", "--max-file-size", str(1 << 24), "--restart",
                       preexec_fn=limit(size))
        assert result.returncode in (0, 1, 69, 70, 74), (size, result.returncode, result.err)
