"""The collection: columns, metadata, order, the same bytes for any number of threads, exports."""
import datetime
import hashlib
import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def test_columns_and_metadata(embed, folder):
    embed.ok("in", "-o", "out.parquet")
    table = embed.table("out.parquet")
    assert table.column_names == ["id", "path", "width", "height", "size_bytes", "mtime", "hash", "embedding"]
    types = [str(field.type) for field in table.schema]
    assert types[:7] == ["string", "string", "int32", "int32", "int64", "timestamp[us, tz=UTC]", "string"]
    rows = table.to_pylist()
    assert [r["id"] for r in rows] == [f"{c}.jpg" for c in "abcdefgh"]
    assert [r["path"] for r in rows] == [f"in/{c}.jpg" for c in "abcdefgh"]
    from PIL import Image
    for row in rows:
        file = folder / row["id"]
        assert (row["width"], row["height"]) == Image.open(file).size
        assert row["size_bytes"] == file.stat().st_size
        assert row["mtime"] == datetime.datetime.fromtimestamp(10**9, datetime.timezone.utc)
        assert len(row["hash"]) == 32 and int(row["hash"], 16) >= 0
        assert abs(np.linalg.norm(row["embedding"]) - 1) < 1e-5
    assert len({r["hash"] for r in rows}) == 8
    meta = {k.decode(): v.decode() for k, v in table.schema.metadata.items() if k.startswith(b"ken.")}
    assert meta["ken.format_version"] == "1" and meta["ken.model_id"] == "demo"
    assert meta["ken.kind"] == "image" and meta["ken.dim"] == "256" and meta["ken.normalized"] == "true"
    assert meta["ken.precision"] == "s16" and float(meta["ken.precision_cosine_min"]) > 0.9999
    assert hashlib.sha256(meta["ken.preprocess"].encode()).hexdigest() == meta["ken.preprocess_sha256"]
    assert len(meta["ken.weights_sha256"]) == 64
    assert not list(embed.dir.glob("out.parquet.*"))
    assert not (embed.dir / "out.errors.csv").exists()


def test_duckdb_reads_it(embed, folder):
    embed.ok("in", "-o", "out.parquet")
    path = str(embed.dir / "out.parquet")
    count, width = duckdb.execute(f"select count(*), min(len(embedding)) from '{path}'").fetchone()
    assert (count, width) == (8, 256)
    assert duckdb.execute(f"select compression from parquet_metadata('{path}') limit 1").fetchone() == ("ZSTD",)


def test_same_bytes_for_any_threads_decoders_and_batch(embed, folder):
    embed.ok("in", "-o", "a.parquet", "--threads", "1")
    for i, options in enumerate([["--threads", "2"], ["--threads", "3", "--decoders", "1"],
                                 ["--batch", "1", "--decoders", "4"], ["--batch", "5", "--threads", "2"]]):
        embed.ok("in", "-o", f"b{i}.parquet", *options)
        assert embed.digest(f"b{i}.parquet") == embed.digest("a.parquet"), options


def test_part_size_does_not_change_rows(embed, folder):
    embed.ok("in", "-o", "a.parquet")
    embed.ok("in", "-o", "b.parquet", "--part-rows", "3")
    assert embed.table("a.parquet").equals(embed.table("b.parquet"))


def test_folder_stays_in_parts(embed, folder):
    embed.ok("in", "-o", "out/", "--part-rows", "3")
    assert sorted(p.name for p in (embed.dir / "out").iterdir()) == [
        "job.json", "ken.json", "lock", "manifest.jsonl",
        "part-000000.parquet", "part-000001.parquet", "part-000002.parquet"]
    seal = json.loads((embed.dir / "out/ken.json").read_text())
    assert seal["n_rows"] == 8 and seal["model_id"] == "demo" and seal["created_at"].endswith("Z")
    lines = [json.loads(line) for line in (embed.dir / "out/manifest.jsonl").read_text().splitlines()]
    assert [(p["part"], p["first"], p["items"]) for p in lines] == [(0, 0, 3), (1, 3, 3), (2, 6, 2)]
    whole = pa.concat_tables(pq.read_table(embed.dir / f"out/part-{i:06}.parquet") for i in range(3))
    embed.ok("in", "-o", "one.parquet")
    assert whole.replace_schema_metadata().equals(embed.table("one.parquet").replace_schema_metadata())


def test_second_run_finds_it_complete(embed, folder):
    embed.ok("in", "-o", "out.parquet")
    before = (embed.dir / "out.parquet").stat().st_mtime_ns
    again = embed.ok("in", "-o", "out.parquet", "--json")
    assert json.loads(again.stdout)["was_complete"] is True
    assert (embed.dir / "out.parquet").stat().st_mtime_ns == before
    other = embed("in", "-o", "out.parquet", "--limit", "2")
    assert other.returncode == 73 and "exists, and is not the result of this command" in other.err
    assert "--restart" in other.err
    embed.ok("in", "-o", "out.parquet", "--limit", "2", "--restart")
    assert embed.table("out.parquet").num_rows == 2


def test_foreign_file_is_not_replaced(embed, folder):
    (embed.dir / "out.parquet").write_text("my notes")
    result = embed("in", "-o", "out.parquet")
    assert result.returncode == 73 and (embed.dir / "out.parquet").read_text() == "my notes"


def test_folder_of_pictures_is_not_an_output(embed, folder):
    result = embed("in", "-o", "in/")
    assert result.returncode == 73 and "holds other files" in result.err
    assert sorted(p.name for p in folder.iterdir()) == [f"{c}.jpg" for c in "abcdefgh"]


def test_output_name_is_checked(embed, folder):
    result = embed("in", "-o", "out.csv")
    assert result.returncode == 2 and "neither a .parquet file nor a folder" in result.err
    result = embed("in", "-o", "missing/out.parquet")
    assert result.returncode == 73 and "missing/out.parquet.parts" in result.err
    assert "make the folder that is to hold it first" in result.err


def test_exports(embed, folder):
    embed.ok("in", "-o", "out.parquet")
    table = embed.table("out.parquet")
    vectors = np.array(table["embedding"].to_pylist(), dtype=np.float32)

    assert embed.run("export", "out.parquet", "--to", "npy", "-o", "v.npy").returncode == 0
    assert np.array_equal(np.load(embed.dir / "v.npy"), vectors)
    assert (embed.dir / "v.ids.txt").read_text().splitlines() == table["id"].to_pylist()

    assert embed.run("export", "out.parquet", "--to", "clip-retrieval", "-o", "cr").returncode == 0
    assert np.array_equal(np.load(embed.dir / "cr/img_emb/img_emb_0.npy"), vectors)
    metadata = pq.read_table(embed.dir / "cr/metadata/metadata_0.parquet")
    assert metadata["image_path"].to_pylist() == table["path"].to_pylist()
    assert "embedding" not in metadata.column_names and metadata["id"].equals(table["id"])

    assert embed.run("export", "out.parquet", "--to", "jsonl", "-o", "v.jsonl").returncode == 0
    lines = [json.loads(line) for line in (embed.dir / "v.jsonl").read_text().splitlines()]
    assert [row["id"] for row in lines] == table["id"].to_pylist()
    assert np.array_equal(np.array([row["embedding"] for row in lines], dtype=np.float32), vectors)
    assert lines[0]["mtime"] == "2001-09-09T01:46:40.000000Z"

    assert embed.run("export", "out.parquet", "--to", "csv", "-o", "v.csv").returncode == 0
    rows = embed.errors("v.csv")
    assert np.array_equal(np.array([json.loads(r["embedding"]) for r in rows], dtype=np.float32), vectors)
    assert [int(r["width"]) for r in rows] == table["width"].to_pylist()


def test_export_of_a_folder_equals_the_file(embed, folder):
    embed.ok("in", "-o", "out.parquet")
    embed.ok("in", "-o", "out/", "--part-rows", "3")
    for source, target in (("out.parquet", "a"), ("out/", "b")):
        assert embed.run("export", source, "--to", "jsonl", "-o", target).returncode == 0
    assert embed.digest("a") == embed.digest("b")


def test_export_dry_run_writes_nothing(embed, folder):
    embed.ok("in", "-o", "out.parquet", "--limit", "2")
    result = embed.run("export", "out.parquet", "--to", "csv", "-o", "x.csv", "--dry-run")
    assert result.returncode == 0 and "would write 2 rows to 'x.csv'" in result.err
    assert not (embed.dir / "x.csv").exists()


def test_export_refuses(embed, folder):
    pq.write_table(pa.table({"id": ["x"]}), embed.dir / "plain.parquet")
    result = embed.run("export", "plain.parquet", "--to", "npy", "-o", "x.npy")
    assert result.returncode == 65 and "is not a collection" in result.err
    result = embed.run("export", "nothing.parquet", "--to", "npy", "-o", "x.npy")
    assert result.returncode == 66
    embed.ok("in", "-o", "out.parquet", "--limit", "1")
    result = embed.run("export", "out.parquet", "--to", "jsonl", "-o", "no/where.jsonl")
    assert result.returncode == 73 and "no/where.jsonl" in result.err


def test_rows_that_cannot_be_searched_are_refused(embed, folder):
    embed.ok("in", "-o", "out.parquet", "--limit", "2")
    table = embed.table("out.parquet")
    for value, said in ((float("nan"), "not finite"), (0.0, "zero")):
        vectors = table["embedding"].to_pylist()
        vectors[1] = [value] * 256
        broken = table.set_column(table.column_names.index("embedding"), "embedding",
                                  pa.array(vectors, type=table.schema.field("embedding").type))
        pq.write_table(broken, embed.dir / "broken.parquet")
        result = embed.run("export", "broken.parquet", "--to", "npy", "-o", "x.npy")
        assert result.returncode == 65 and said in result.err and "b.jpg" in result.err


def test_texts(embed):
    (embed.dir / "lines.txt").write_bytes("a red dress\r\n\nbl\u00fche\n".encode() + b"bad \xff byte")
    embed.ok("--texts", "lines.txt", "-o", "t.parquet")
    table = embed.table("t.parquet")
    assert table.column_names == ["id", "text", "n_tokens", "truncated", "embedding"]
    assert table["text"].to_pylist() == ["a red dress", "", "bl\u00fche", "bad \ufffd byte"]
    assert table["id"].to_pylist() == ["0", "1", "2", "3"]
    embed.ok("--text", "a red dress", "--text", "word " * 200, "-o", "u.parquet")
    two = embed.table("u.parquet").to_pylist()
    assert two[0]["embedding"] == table["embedding"][0].as_py()
    assert two[1]["truncated"] is True and two[0]["truncated"] is False
    assert embed.table("u.parquet").schema.metadata[b"ken.kind"] == b"text"


def test_text_table(embed):
    (embed.dir / "t.csv").write_text("sku,text,price\n7,a hat,1.5\n8,shoes,2\n")
    embed.ok("--texts", "t.csv", "--id-col", "sku", "--keep", "price", "-o", "t.parquet")
    rows = embed.table("t.parquet").to_pylist()
    assert [(r["id"], r["text"], r["price"]) for r in rows] == [("7", "a hat", 1.5), ("8", "shoes", 2.0)]


def test_progress_and_plan(embed, folder):
    result = embed.ok("in", "-o", "out.parquet", "-v", "--progress", "always")
    for said in ("threads", "sandboxed", "MiB", "8/8 images", "decoding", "ETA"):
        assert said in result.err
    quiet = embed.ok("in", "-o", "out2.parquet", "-q")
    assert quiet.err == "" and quiet.stdout == b""
    report = json.loads(embed.ok("in", "-o", "out3.parquet", "--json").stdout)
    assert report["n_rows"] == 8 and report["n_failed"] == 0 and report["errors"] is None


def test_progress_bar_fits_the_terminal(embed, folder):
    """A line that wraps cannot be drawn over: the bar shrinks, then goes."""
    import fcntl
    import os
    import pty
    import struct
    import subprocess
    import termios
    (folder / "a.jpg").write_bytes(b"no picture")
    for columns, bar in ((120, 24), (60, 20), (20, 0)):
        leader, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        run = subprocess.Popen([embed.ken, "embed", "in", "-o", "out.parquet", "--restart"], cwd=embed.dir,
                               env=embed.env, stderr=terminal)
        os.close(terminal)
        shown = b""
        while True:
            try:
                shown += os.read(leader, 4096)
            except OSError:  # the other end was closed
                break
        os.close(leader)
        assert run.wait() == 1
        lines = [line for line in shown.split(b"\r\033[K") if b"images," in line]
        assert lines and all(len(line) < columns for line in lines), shown
        last = lines[-1].decode()
        assert ("8/8 images" in last) and last.count("#") <= bar and ("]" in last) == (bar > 0), last


def test_dry_run_writes_nothing(embed, folder):
    result = embed.ok("in", "-o", "out.parquet", "--dry-run")
    assert result.stdout.decode().split() == [f"{c}.jpg" for c in "abcdefgh"]
    assert "8 items" in result.err and not list(embed.dir.glob("out*"))


def embeddings(embed, path):
    return np.array(embed.table(path)["embedding"].to_pylist(), np.float32)


@pytest.mark.parametrize("precision, least", [("s16", 0.99999), ("int8", 0.995), ("auto", 0.999)])
def test_precisions_are_near_f32_and_say_so(embed, folder, precision, least):
    embed.ok("in", "-o", "f32.parquet", "--precision", "f32")
    assert embed.table("f32.parquet").schema.metadata[b"ken.precision_cosine_min"] == b"1"
    embed.ok("in", "-o", "found.parquet", "--precision", precision)
    meta = embed.table("found.parquet").schema.metadata
    assert meta[b"ken.precision"] == precision.encode()
    assert least <= float(meta[b"ken.precision_cosine_min"]) < 1  # measured
    assert precision == "auto" or meta[b"ken.precision_s16_layers"] == b""
    exact, found = embeddings(embed, "f32.parquet"), embeddings(embed, "found.parquet")
    assert (exact != found).any()
    assert ((exact * found).sum(1) >= least).all()


@pytest.mark.parametrize("precision", ["s16", "int8", "auto"])
def test_the_same_bytes_for_any_threads_and_batch(embed, folder, precision):
    embed.ok("in", "-o", "a.parquet", "--precision", precision, "--threads", "1", "--batch", "1")
    embed.ok("in", "-o", "b.parquet", "--precision", precision, "--threads", "3", "--batch", "5")
    assert embed.digest("a.parquet") == embed.digest("b.parquet")


def test_started_without_standard_streams(embed, folder):
    """Files opened later must not become standard error, where messages go."""
    result = embed("in", "-o", "out.parquet", wrap=["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-'])
    assert result.returncode == 0
    embed.ok("in", "-o", "again.parquet")
    assert embed.digest("out.parquet") == embed.digest("again.parquet")
