"""What INPUT may be: every kind of source, its ids, and what is refused."""
import io
import json
import os
import shutil
import tarfile
import urllib.parse

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def ids(embed, path="out.parquet"):
    return embed.table(path)["id"].to_pylist()


def test_folders_are_walked_in_path_order(embed, folder):
    for name in ("a-b", "a", ".hidden"):
        (folder / "sub" / name).mkdir(parents=True)
        shutil.copy(folder / "a.jpg", folder / "sub" / name / "x.JPG")
    shutil.copy(folder / "a.jpg", folder / ".secret.jpg")
    (folder / "notes.txt").write_text("no picture")
    embed.ok("in", "-o", "out.parquet")
    assert ids(embed) == [f"{c}.jpg" for c in "abcdefgh"] + ["sub/a-b/x.JPG", "sub/a/x.JPG"]
    assert ids(embed) == sorted(ids(embed))


def test_several_folders_keep_their_names(embed, folder):
    shutil.copytree(folder, embed.dir / "two")
    embed.ok("in", "./two/", "-o", "out.parquet")
    assert ids(embed) == [f"in/{c}.jpg" for c in "abcdefgh"] + [f"two/{c}.jpg" for c in "abcdefgh"]


def test_links(embed, folder):
    outside = embed.dir / "outside"
    outside.mkdir()
    shutil.copy(folder / "a.jpg", outside / "o.jpg")
    (folder / "out.jpg").symlink_to(outside / "o.jpg")
    (folder / "outdir").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "same.jpg").symlink_to(folder / "a.jpg")
    (folder / "self.jpg").symlink_to("self.jpg")
    result = embed("in", "-o", "out.parquet")
    assert result.returncode == 1 and "2 symbolic links that lead out" in result.err
    assert ids(embed) == [f"{c}.jpg" for c in "abcdefgh"] + ["same.jpg"]
    assert [(e["id"], e["stage"], e["reason"]) for e in embed.errors("out.errors.csv")] == [
        ("self.jpg", "open", "link_loop")]


def test_files_and_globs(embed, folder):
    os.rename(folder / "c.jpg", folder / "c.picture")
    embed.ok("in/c.picture", "in/[ab].jpg", "./in/d.jpg", "-o", "out.parquet")
    assert ids(embed) == ["in/c.picture", "in/a.jpg", "in/b.jpg", "in/d.jpg"]
    result = embed("in/a.jpg", "./in/a.jpg", "-o", "twice.parquet")
    assert result.returncode == 2 and "would have the same id 'in/a.jpg'" in result.err
    embed.ok("in/a.jpg", "in/a.jpg", "-o", "once.parquet")
    assert ids(embed, "once.parquet") == ["in/a.jpg"]


def test_list_on_standard_input(embed, folder):
    embed.ok("-", "-o", "out.parquet", stdin=b"in/b.jpg\r\nin/a.jpg\n\n")
    assert ids(embed) == ["in/b.jpg", "in/a.jpg"]
    odd = b"in/new\nline.jpg"
    shutil.copy(folder / "a.jpg", os.path.join(os.fsencode(embed.dir), odd))
    embed.ok("-", "-0", "-o", "null.parquet", stdin=odd + b"\0in/a.jpg\0")
    assert ids(embed, "null.parquet") == ["in/new%0Aline.jpg", "in/a.jpg"]
    result = embed("-", "-o", "x.parquet", stdin=b"in/a.jpg\0in/b.jpg")
    assert result.returncode == 2 and "-0" in result.err


ODD = [b"two words.jpg", b"tab\there.jpg", b"new\nline.jpg", b"percent%41.jpg", b"quote\"s, comma.jpg",
       b"latin\xe9.jpg", b"\xff\xfe.jpg", "\u00fc\u4e2d\u6587\U0001f600.jpg".encode(), b"-dash.jpg", b"a'b;c.jpg"]


def test_odd_names_have_reversible_ids(embed, folder):
    base = os.fsencode(folder)
    photo = (folder / "a.jpg").read_bytes()
    for name in os.listdir(base):
        os.unlink(os.path.join(base, name))
    for name in ODD:
        with open(os.path.join(base, name), "wb") as file:
            file.write(photo)
    embed.ok("in", "-o", "out.parquet")
    table = embed.table("out.parquet")
    assert [urllib.parse.unquote_to_bytes(i) for i in table["id"].to_pylist()] == sorted(ODD)
    assert len(set(table["hash"].to_pylist())) == 1
    result = embed("in", "-o", "again.parquet", "--dry-run")
    assert result.stdout.decode().splitlines() == table["id"].to_pylist()


def test_shards_shuffle_and_limit(embed, folder):
    everything = [f"{c}.jpg" for c in "abcdefgh"]
    seen = []
    for i in range(3):
        embed.ok("in", "-o", f"s{i}.parquet", "--shard", f"{i}/3")
        seen.append(ids(embed, f"s{i}.parquet"))
    assert sorted(sum(seen, [])) == everything and seen[0] == ["a.jpg", "d.jpg", "g.jpg"]
    embed.ok("in", "-o", "x.parquet", "--shuffle", "7")
    embed.ok("in", "-o", "y.parquet", "--shuffle", "7")
    assert embed.digest("x.parquet") == embed.digest("y.parquet")
    assert sorted(ids(embed, "x.parquet")) == everything != ids(embed, "x.parquet")
    embed.ok("in", "-o", "z.parquet", "--limit", "3")
    assert ids(embed, "z.parquet") == everything[:3]
    assert embed("in", "-o", "q.parquet", "--shard", "3/3").returncode == 2


def test_shards_of_one_folder_are_one_collection(embed, folder):
    embed.ok("in", "-o", "big/", "--shard", "0/2")
    result = embed.run("export", "big", "--to", "jsonl", "-o", "all.jsonl")
    assert result.returncode in (66, 69) and "shard-00001-of-00002" in result.err
    embed.ok("in", "-o", "big/", "--shard", "1/2")
    assert embed.run("export", "big", "--to", "jsonl", "-o", "all.jsonl").returncode == 0
    rows = [json.loads(line)["id"] for line in (embed.dir / "all.jsonl").read_text().splitlines()]
    assert rows == [f"{c}.jpg" for c in "acegbdfh"]


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def samples(folder, letters):
    for letter in letters:
        yield f"{letter}.jpg", (folder / f"{letter}.jpg").read_bytes()
        yield f"{letter}.txt", f"caption {letter}".encode()
        yield f"{letter}.json", json.dumps({"url": f"u/{letter}", "n": 3}).encode()


def test_tar_shards(embed, folder):
    write_tar(embed.dir / "00000.tar", samples(folder, "abc"))
    write_tar(embed.dir / "00001.tar", samples(folder, "cde"))
    embed.ok("{00000..00001}.tar", "-o", "out.parquet", "--keep", "url,missing", "--part-rows", "2")
    rows = embed.table("out.parquet").to_pylist()
    assert [r["id"] for r in rows] == ["a", "b", "c", "00001.tar/c", "d", "e"]
    assert [r["caption"] for r in rows] == [f"caption {c}" for c in "abccde"]
    assert [r["url"] for r in rows] == [f"u/{c}" for c in "abccde"]
    assert all(r["missing"] is None and r["mtime"] is None for r in rows)
    embed.ok("in", "-o", "files.parquet")
    files = embed.table("files.parquet").to_pylist()
    assert rows[0]["embedding"] == files[0]["embedding"] and rows[0]["hash"] == files[0]["hash"]


def test_truncated_shard_keeps_what_came_before(embed, folder):
    write_tar(embed.dir / "good.tar", samples(folder, "ab"))
    write_tar(embed.dir / "cut.tar", samples(folder, "cde"))
    data = (embed.dir / "cut.tar").read_bytes()
    (embed.dir / "cut.tar").write_bytes(data[:len(data) - 24000])
    result = embed("cut.tar", "good.tar", "-o", "out.parquet")
    assert result.returncode == 1
    assert ids(embed)[0] == "c" and ids(embed)[-2:] == ["a", "b"]
    failures = embed.errors("out.errors.csv")
    assert failures and failures[-1]["stage"] == "open" and "cut.tar" in failures[-1]["id"] + failures[-1]["path"]


def test_tar_names_are_never_paths(embed, folder):
    photo = (folder / "a.jpg").read_bytes()
    write_tar(embed.dir / "evil.tar", [("../../escape.jpg", photo), ("/abs.jpg", photo)])
    embed("evil.tar", "-o", "out.parquet")
    assert not (embed.dir.parent.parent / "escape.jpg").exists()
    assert embed("missing-{0..1}.tar", "-o", "x.parquet").returncode == 66


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_tables_of_paths(embed, folder, kind):
    rows = [{"file": f"in/{c}.jpg", "sku": i, "price": i + 0.5, "name": f'n"{c}, x'} for i, c in enumerate("bac")]
    path = embed.dir / f"list.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    else:
        import csv
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    embed.ok(path.name, "--path-col", "file", "--id-col", "sku", "--keep", "price,name", "-o", "out.parquet")
    out = embed.table("out.parquet").to_pylist()
    assert [(r["id"], r["path"], r["price"], r["name"]) for r in out] == [
        (str(r["sku"]), r["file"], r["price"], r["name"]) for r in rows]


def test_tables_of_bytes(embed, folder):
    photo = [(folder / f"{c}.jpg").read_bytes() for c in "abc"]
    pq.write_table(pa.table({"image": [{"bytes": p, "path": f"{i}.jpg"} for i, p in enumerate(photo)],
                             "label": ["x", "y", "z"]}), embed.dir / "structs.parquet")
    pq.write_table(pa.table({"data": [photo[0], None, b""], "key": ["k0", "k1", "k0"]}), embed.dir / "bytes.parquet")
    embed.ok("structs.parquet", "--keep", "label", "-o", "a.parquet")
    a = embed.table("a.parquet").to_pylist()
    assert [(r["id"], r["label"]) for r in a] == [("0", "x"), ("1", "y"), ("2", "z")]
    result = embed("bytes.parquet", "--image-col", "data", "--id-col", "key", "-o", "b.parquet")
    assert result.returncode == 1
    b = embed.table("b.parquet").to_pylist()
    assert [r["id"] for r in b] == ["k0"] and b[0]["embedding"] == a[0]["embedding"]
    assert [(e["id"], e["reason"]) for e in embed.errors("b.errors.csv")] == [
        ("k1", "no_image"), ("k0", "duplicate_id")]


def test_large_file_in_a_shard(embed, folder):
    """A sample's file is held in memory: beyond 256 MiB it is one failed item, and the shard goes on."""
    photo = (folder / "a.jpg").read_bytes()
    huge = tarfile.TarInfo("k1.jpg")
    huge.size = (256 << 20) + 1
    with open(embed.dir / "x.tar", "wb") as file:
        put_member(file, "k0.jpg", photo)
        file.write(huge.tobuf())
        file.seek((huge.size + 511) // 512 * 512, os.SEEK_CUR)  # a hole
        put_member(file, "k2.jpg", photo)
        file.write(bytes(1024))
    result = embed("x.tar", "-o", "out.parquet")
    assert result.returncode == 1 and ids(embed) == ["k0", "k2"]
    (failure,) = embed.errors("out.errors.csv")
    assert (failure["id"], failure["reason"]) == ("k1", "too_large") and str(256 << 20) in failure["detail"]


def put_member(file, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    file.write(info.tobuf() + data + bytes(-len(data) % 512))


def test_table_mistakes(embed, folder):
    (embed.dir / "list.csv").write_text("file,n\nin/a.jpg,1\n")
    result = embed("list.csv", "-o", "out.parquet")
    assert result.returncode == 2 and "--path-col" in result.err
    result = embed("list.csv", "--path-col", "nope", "-o", "out.parquet")
    assert result.returncode != 0 and "nope" in result.err and "file" in result.err
    result = embed("list.csv", "--path-col", "file", "--keep", "hash", "-o", "out.parquet")
    assert result.returncode != 0 and "hash" in result.err
    result = embed("list.csv", "--path-col", "n", "-o", "out.parquet")
    assert result.returncode == 2 and "does not hold text" in result.err
    assert embed("list.csv", "--path-col", "file", "--shuffle", "1", "-o", "out.parquet").returncode == 65


def test_sidecars(embed, folder):
    (folder / "b.txt").write_text("a shirt")
    (folder / "b.json").write_text('{"tag": "x", "n": 5, "list": [1, 2]}')
    (folder / "c.json").write_text("not json")
    embed.ok("in", "-o", "out.parquet", "--keep", "tag,n,list")
    rows = embed.table("out.parquet").to_pylist()
    assert (rows[1]["caption"], rows[1]["tag"], rows[1]["n"], rows[1]["list"]) == ("a shirt", "x", "5", "[1,2]")
    assert (rows[2]["caption"], rows[2]["tag"]) == (None, None)


def test_nothing_to_do(embed):
    (embed.dir / "empty").mkdir()
    result = embed("empty", "-o", "out.parquet")
    assert result.returncode == 66 and "no image was found" in result.err
    result = embed("not-there", "-o", "out.parquet")
    assert result.returncode == 66 and "'not-there' does not exist" in result.err
    assert embed("-o", "out.parquet").returncode == 2
    assert embed("--text", "a", "empty", "-o", "out.parquet").returncode == 2
    assert embed("empty").returncode == 2  # texts without an output are printed, images are not


def test_unreadable_folder_inside(embed, folder):
    # root reads every folder, unless it gives the capability up
    wrap = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    (folder / "sub").mkdir()
    os.chmod(folder / "sub", 0)
    os.chmod(folder / "b.jpg", 0)
    result = embed("in", "-o", "out.parquet", wrap=wrap)
    os.chmod(folder / "sub", 0o755)
    assert result.returncode == 1, result.err
    assert [(e["id"], e["stage"], e["reason"]) for e in embed.errors("out.errors.csv")] == [
        ("b.jpg", "open", "no_permission"), ("sub", "open", "unreadable")]


def test_sandbox_changes_no_pixel(embed, folder):
    """libvips loads its modules inside the sandbox: every format gives what it gives outside."""
    from PIL import Image
    picture = Image.open(folder / "a.jpg").convert("RGB")
    for extension in ("gif", "bmp", "tiff", "webp", "png", "avif"):
        picture.save(folder / f"z.{extension}")
    embed.ok("in", "-o", "inside.parquet", "--limit", "14")
    embed.ok("in", "-o", "outside.parquet", "--limit", "14", "--no-sandbox")
    assert embed.digest("inside.parquet") == embed.digest("outside.parquet")
    assert embed.table("inside.parquet").num_rows == 14
