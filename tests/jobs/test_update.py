"""ken embed --update: a folder of parts follows its pictures."""
import json
import os
import re
import shutil

OUT = ("in", "-o", "out/", "--part-rows", "3", "--update")


def parts(embed, path):
    return {p.name: p.read_bytes() for p in (embed.dir / path).glob("part-*")}


def change(folder):
    """One picture new, one changed, one touched, one gone."""
    shutil.copy(folder / "a.jpg", folder / "aa.jpg")
    os.utime(folder / "aa.jpg", ns=(10**18, 10**18))
    shutil.copy(folder / "b.jpg", folder / "c.jpg")
    os.utime(folder / "c.jpg", ns=(2 * 10**18, 2 * 10**18))
    os.utime(folder / "d.jpg", ns=(2 * 10**18, 2 * 10**18))
    (folder / "e.jpg").unlink()


def test_update_equals_a_fresh_run(embed, folder):
    embed.ok(*OUT)
    change(folder)
    report = json.loads(embed.ok(*OUT, "--json").stdout)
    assert (report["n_rows"], report["n_reused"], report["n_removed"]) == (8, 6, 1)
    embed.ok("in", "-o", "fresh/", "--part-rows", "3")
    assert parts(embed, "out") == parts(embed, "fresh")
    assert not (embed.dir / "out/next").exists()
    again = json.loads(embed.ok(*OUT, "--json").stdout)
    assert (again["n_rows"], again["n_reused"], again["n_removed"]) == (8, 8, 0)
    assert parts(embed, "out") == parts(embed, "fresh")


def test_plain_run_on_a_changed_folder_says_what_to_do(embed, folder):
    embed.ok("in", "-o", "out/", "--part-rows", "3")
    change(folder)
    result = embed("in", "-o", "out/", "--part-rows", "3")
    assert result.returncode == 73 and "--update" in result.err


def test_update_shrinks_and_grows_with_errors(embed, folder):
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    assert embed(*OUT).returncode == 1
    assert (embed.dir / "out/errors.csv").exists()
    for c in "cdefgh":
        (folder / f"{c}.jpg").unlink()
    (folder / "bad.jpg").unlink()
    embed.ok(*OUT)
    assert sorted(parts(embed, "out")) == ["part-000000.parquet"]
    assert not (embed.dir / "out/errors.csv").exists()


def test_killed_while_updating(embed, folder, strace):
    embed.ok(*OUT)
    shutil.copytree(embed.dir / "out", embed.dir / "before")
    change(folder)
    embed.ok("in", "-o", "fresh/", "--part-rows", "3")
    wanted = parts(embed, "fresh")
    for call in ("rename", "unlink"):
        log = embed.dir / "log"
        embed.ok(*OUT, wrap=[strace, "-o", str(log), "-e", f"trace={call}"])
        n = len(re.findall(rf"^{call}\(", log.read_text(errors="replace"), re.M))
        for when in range(1, n + 1):
            shutil.rmtree(embed.dir / "out")
            shutil.copytree(embed.dir / "before", embed.dir / "out")
            embed(*OUT, wrap=[strace, "-o", "/dev/null", "-e", f"trace={call}", "-e",
                              f"inject={call}:signal=SIGKILL:when={when}"])
            embed.ok(*OUT)
            assert parts(embed, "out") == wanted, (call, when)
            assert not (embed.dir / "out/next").exists()
            assert embed.run("export", "out", "--to", "npy", "-o", "x.npy").returncode == 0


def test_update_with_another_model_or_recipe_is_refused(embed, folder):
    embed.ok(*OUT)
    result = embed(*OUT, "--background", "black")
    assert result.returncode == 65 and "preprocess_sha256" in result.err
    result = embed("in", "-o", "out.parquet", "--update")
    assert result.returncode == 2 and "--update needs a folder" in result.err


def test_interrupted_update_of_a_folder_that_changed_again(embed, folder, strace):
    """The new parts that were begun belong to other inputs; --restart drops them, never the collection."""
    embed.ok(*OUT)
    change(folder)
    embed(*OUT, wrap=[strace, "-o", "/dev/null", "-e", "trace=rename", "-e", "inject=rename:signal=SIGKILL:when=4"])
    assert (embed.dir / "out/next/manifest.jsonl").exists()
    (folder / "f.jpg").unlink()
    result = embed(*OUT)
    assert result.returncode == 73 and "inputs was" in result.err and "--restart" in result.err
    report = json.loads(embed.ok(*OUT, "--restart", "--json").stdout)
    assert (report["n_rows"], report["n_reused"], report["n_removed"]) == (7, 5, 2)
    embed.ok("in", "-o", "fresh/", "--part-rows", "3")
    assert parts(embed, "out") == parts(embed, "fresh")
