"""Kill it, fill its disk, press Ctrl-C: nothing finished is lost, and the same command then gives the same
bytes as a run that nothing happened to."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest

from conftest import children, stop_after

JOB = ("in", "-o", "out.parquet", "--part-rows", "3", "--threads", "1", "-q")


@pytest.fixture
def wanted(embed, folder):
    """Digests of an uninterrupted run's output and error table; one of the pictures is bad."""
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    assert embed("in", "-o", "wanted.parquet", "--part-rows", "3", "-q").returncode == 1
    shutil.copy(embed.dir / "wanted.errors.csv", embed.dir / "kept.errors.csv")
    return embed.digest("wanted.parquet"), embed.digest("kept.errors.csv")


def finish_and_compare(embed, wanted):
    again = embed(*JOB)
    assert again.returncode == 1, again.err
    assert (embed.digest("out.parquet"), embed.digest("out.errors.csv")) == wanted
    left = sorted(p.name for p in embed.dir.glob("out.*"))
    assert left == ["out.errors.csv", "out.parquet"], left


def clear(embed):
    for path in embed.dir.glob("out.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def count_calls(embed, strace, calls, job=JOB):
    """How often the main thread makes each of the system calls in one run."""
    log = embed.dir / "log"
    embed(*job, wrap=[strace, "-o", str(log), "-e", f"trace={','.join(calls)}"])
    text = log.read_text(errors="replace")
    clear(embed)
    return {call: len(re.findall(rf"^{call}\(", text, re.M)) for call in calls}


@pytest.mark.parametrize("call", ["write", "rename", "unlink", "mkdir", "rmdir"])
def test_killed_at_every_call(embed, folder, wanted, strace, call):
    """Before every call that changes files. A killed process leaves the same files before an fsync and after it."""
    n = count_calls(embed, strace, [call])[call]
    assert n >= 1
    for when in range(1, n + 1):
        result = embed(*JOB, wrap=[strace, "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                   f"inject={call}:signal=SIGKILL:when={when}"])
        assert result.returncode in (-9, 137), (when, result.err)
        finish_and_compare(embed, wanted)
        clear(embed)


@pytest.mark.parametrize("call,error,step", [("write", "ENOSPC", 1), ("write", "EDQUOT", 5), ("fsync", "EIO", 1),
                                             ("rename", "ENOSPC", 1), ("mkdir", "ENOSPC", 1)])
def test_output_errors(embed, folder, wanted, strace, call, error, step):
    """Every such failure is exit code 74 with the advice to resume, or the run did not need the call."""
    for when in range(1, count_calls(embed, strace, [call])[call] + 1, step):
        result = embed(*JOB, wrap=[strace, "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                   f"inject={call}:error={error}:when={when}"])
        assert result.returncode in (1, 74), (when, result.returncode, result.err)
        if result.returncode == 74:
            assert "resume with the same command" in result.err, (when, result.err)
            parts = embed.dir / "out.parquet.parts"
            named = (parts / "manifest.jsonl").read_text().count("\n") if (parts / "manifest.jsonl").exists() else 0
            assert len(list(parts.glob("part-*.parquet"))) >= named or (embed.dir / "out.parquet").exists()
        finish_and_compare(embed, wanted)
        clear(embed)


def test_error_twice(embed, folder, wanted, strace):
    """A full disk while resuming from a full disk."""
    for first, second in ((6, 3), (12, 2)):
        for when in (first, second):
            embed(*JOB, wrap=[strace, "-o", "/dev/null", "-e", "trace=write", "-e",
                              f"inject=write:error=ENOSPC:when={when}+"])
        finish_and_compare(embed, wanted)
        clear(embed)


def test_file_size_limit(embed, folder, wanted):
    """A real limit, not an injected one: the joined file is larger than a part."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8500, resource.RLIM_INFINITY))
    result = embed(*JOB, preexec_fn=limit)
    assert result.returncode == 74 and "resume with the same command" in result.err, result.err
    assert not (embed.dir / "out.parquet").exists()
    finish_and_compare(embed, wanted)


def test_full_disk(embed, folder, wanted):
    """A real full disk where file systems may be mounted; elsewhere the limits above stand for it."""
    disk = embed.dir / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", disk], capture_output=True).returncode:
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (8500, resource.RLIM_INFINITY))
        assert embed("in", "-o", "disk/out.parquet", "--part-rows", "3", "-q", preexec_fn=limit).returncode == 74
        return
    try:
        result = embed("in", "-o", "disk/out.parquet", "--part-rows", "3", "-q")
        assert result.returncode == 74, (result.returncode, result.err)
        assert "resume with the same command" in result.err and not (disk / "out.parquet").exists()
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        assert embed("in", "-o", "disk/out.parquet", "--part-rows", "3", "-q").returncode == 1
        assert embed.digest("disk/out.parquet") == wanted[0]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_random_kills(embed, folder, wanted):
    """Kills at any moment, several on the way to one result."""
    import random
    chance = random.Random(3)
    for _ in range(4):
        for _ in range(4):
            process = embed.start(*JOB)
            time.sleep(chance.uniform(0.01, 0.3))
            process.kill()
            process.communicate()
        finish_and_compare(embed, wanted)
        clear(embed)


@pytest.fixture
def many(embed, folder):
    """Enough pictures that a run can be interrupted."""
    for i in range(40):
        for c in "abcdefgh":
            os.link(folder / f"{c}.jpg", folder / f"{i}{c}.jpg")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_once(embed, many, number):
    job = ("in", "-o", "out.parquet", "--part-rows", "20", "--threads", "1")
    process = embed.start(*job)
    parts = embed.dir / "out.parquet.parts"
    while process.poll() is None and not (parts / "manifest.jsonl").exists():
        time.sleep(0.005)
    sent = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 75, err
    assert b"interrupted" in err and b"the same command goes on from here" in err
    assert not (embed.dir / "out.parquet").exists()
    done = (parts / "manifest.jsonl").read_text().count("\n")
    assert done >= 1 and not list(parts.glob("*.tmp"))
    result = embed.ok(*job)
    assert f"{done * 20} items were done before" in result.err
    embed.ok("in", "-o", "whole.parquet", "--part-rows", "20")
    assert embed.digest("out.parquet") == embed.digest("whole.parquet")


def test_ctrl_c_twice(embed, many):
    process = embed.start("in", "-o", "out.parquet", "--part-rows", "300", "--threads", "1")
    while process.poll() is None and not (embed.dir / "out.parquet.parts/job.json").exists():
        time.sleep(0.005)
    time.sleep(0.2)
    sent = time.monotonic()
    stop_after(process, 0, times=2)
    process.communicate(timeout=10)
    assert process.returncode == 75 and time.monotonic() - sent < 1.5
    embed.ok("in", "-o", "out.parquet", "--part-rows", "300")


def test_terminal_interrupt_of_the_whole_group(embed, many):
    """A terminal sends Ctrl-C to the decoders as well; they must leave it to the program."""
    process = embed.start("in", "-o", "out.parquet", "--part-rows", "20", start_new_session=True)
    while process.poll() is None and not (embed.dir / "out.parquet.parts/manifest.jsonl").exists():
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    embed.ok("in", "-o", "out.parquet", "--part-rows", "20")
    assert not (embed.dir / "out.errors.csv").exists()


def test_second_run_on_one_output(embed, many):
    process = embed.start("in", "-o", "out.parquet", "--part-rows", "20", "--threads", "1")
    while process.poll() is None and not (embed.dir / "out.parquet.parts/manifest.jsonl").exists():
        time.sleep(0.005)
    second = embed("in", "-o", "out.parquet", "--part-rows", "20")
    holder = process.pid
    process.kill()
    process.communicate()
    assert second.returncode == 73, second.err
    assert f"in use by another ken, process {holder}" in second.err
    embed.ok("in", "-o", "out.parquet", "--part-rows", "20")


def test_stale_lock(embed, folder, wanted):
    parts = embed.dir / "out.parquet.parts"
    parts.mkdir()
    (parts / "lock").write_text("1\n")
    finish_and_compare(embed, wanted)


def interrupted(embed, strace):
    embed(*JOB, wrap=[strace, "-o", "/dev/null", "-e", "trace=rename", "-e", "inject=rename:signal=SIGKILL:when=4"])
    assert (embed.dir / "out.parquet.parts/manifest.jsonl").exists()


def test_resume_with_something_else_is_refused(embed, folder, wanted, strace, root):
    interrupted(embed, strace)
    other = embed.dir / "other"
    shutil.copytree(root / "models/demo", other)
    weights = other / "open_clip_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for options, fact in ((("--model", "other"), "weights_sha256"), (("--background", "black"), "preprocess_sha256"),
                          (("--resize", "fast"), "preprocess_sha256"),
                          (("--limit", "5"), "inputs"), (("--max-pixels", "5000000"), "limits")):
        result = embed(*JOB, *options)
        assert result.returncode == 73, (options, result.err)
        assert f": {fact} was '" in result.err and "--restart" in result.err, result.err
    result = embed("in", "-o", "out.parquet", "--part-rows", "4", "-q")
    assert result.returncode == 73 and "part_rows was '3', now it is '4'" in result.err
    (folder / "new.jpg").write_bytes((folder / "a.jpg").read_bytes())
    result = embed(*JOB)
    assert result.returncode == 73 and "inputs was" in result.err
    (folder / "new.jpg").unlink()
    result = embed("in", "-o", "out.parquet", "--part-rows", "4", "-q", "--resume", "never")
    assert result.returncode == 1 and embed.table("out.parquet").num_rows == 8


def test_resume_may_use_other_threads_and_batch(embed, folder, wanted, strace):
    interrupted(embed, strace)
    assert embed("in", "-o", "out.parquet", "--part-rows", "3", "--threads", "3", "--batch", "2",
                 "--decoders", "1").returncode == 1
    assert embed.digest("out.parquet") == wanted[0]


def test_damaged_parts_are_made_again(embed, folder, wanted, strace):
    def flip(path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)

    damages = [lambda p: flip(p / "part-000000.parquet"), lambda p: (p / "part-000000.parquet").unlink(),
               lambda p: (p / "part-000001.parquet").write_bytes(b""),
               lambda p: os.truncate(p / "manifest.jsonl", (p / "manifest.jsonl").stat().st_size - 5),
               lambda p: (p / "manifest.jsonl").write_text("garbage\n" * 3),
               lambda p: [f.unlink() for f in p.glob("part-*.errors.csv")]]
    for damage in damages:
        # the 3rd to last rename puts the joined file in place: all parts are there then
        renames = count_calls(embed, strace, ["rename"])["rename"]
        embed(*JOB, wrap=[strace, "-o", "/dev/null", "-e", "trace=rename", "-e",
                          f"inject=rename:signal=SIGKILL:when={renames - 2}"])
        parts = embed.dir / "out.parquet.parts"
        assert len(list(parts.glob("part-*.parquet"))) == 3
        damage(parts)
        finish_and_compare(embed, wanted)
        clear(embed)


def test_torn_writes(embed, folder, wanted, strace):
    """After power is lost, what was written since the last sync may be there in part or not at all."""
    for keep in (0, 1, 40):
        embed(*JOB, wrap=[strace, "-o", "/dev/null", "-e", "trace=fsync", "-e",
                          "inject=fsync:signal=SIGKILL:when=9"])
        parts = embed.dir / "out.parquet.parts"
        unnamed = {p.name for p in parts.glob("part-*")} - set(re.findall(r"part-\d+\.\w+", manifest_names(parts)))
        for name in unnamed:
            (parts / name).write_bytes((parts / name).read_bytes()[:keep])
        finish_and_compare(embed, wanted)
        clear(embed)


def manifest_names(parts):
    path = parts / "manifest.jsonl"
    numbers = [json.loads(line)["part"] for line in path.read_text().splitlines()] if path.exists() else []
    return " ".join(f"part-{n:06}.parquet" for n in numbers)


def test_interrupted_tar_and_table_resume(embed, folder, strace):
    import tarfile
    with tarfile.open(embed.dir / "x.tar", "w") as tar:
        for c in "abcdefgh":
            tar.add(folder / f"{c}.jpg", f"{c}.jpg")
    (embed.dir / "x.csv").write_text("path\n" + "".join(f"in/{c}.jpg\n" for c in "abcdefgh"))
    for source in ("x.tar", "x.csv"):
        embed.ok(source, "-o", "wanted.parquet", "--part-rows", "3", "--restart")
        embed(source, "-o", "out.parquet", "--part-rows", "3",
              wrap=[strace, "-o", "/dev/null", "-e", "trace=rename", "-e", "inject=rename:signal=SIGKILL:when=4"])
        result = embed.ok(source, "-o", "out.parquet", "--part-rows", "3")
        assert "6 items were done before" in result.err or "3 items were done before" in result.err
        assert embed.digest("out.parquet") == embed.digest("wanted.parquet")
        clear(embed)


def test_read_only_place(embed, folder):
    wrap = ["setpriv", "--bounding-set=-dac_override"] if os.getuid() == 0 else []
    locked = embed.dir / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    result = embed("in", "-o", "locked/out.parquet", wrap=wrap)
    assert result.returncode == 73 and "locked/out.parquet.parts" in result.err


def test_resume_on_another_cpu_tier_is_refused(embed, folder, wanted, strace):
    """The same bits are promised for one tier: half a job of each would be neither."""
    interrupted(embed, strace)
    result = embed(*JOB, "--cpu", "scalar")
    began = json.loads((embed.dir / "out.parquet.parts/job.json").read_text())["cpu_tier"]
    assert result.returncode == 73, result.err
    assert f"cpu_tier was '{began}', now it is 'scalar'" in result.err and f"--cpu {began}" in result.err
    assert embed(*JOB, "--cpu", began).returncode == 1
    assert embed.digest("out.parquet") == wanted[0]
    # what is finished is the same job's result wherever it was made
    assert json.loads(embed(*JOB[:-1], "--json", "--cpu", "scalar").stdout)["was_complete"] is True


def test_picture_changed_since_the_interruption(embed, folder, wanted, strace):
    interrupted(embed, strace)
    shutil.copy(folder / "b.jpg", folder / "a.jpg")
    result = embed(*JOB)
    assert result.returncode == 73 and "inputs was" in result.err, result.err
    assert embed(*JOB, "--restart").returncode == 1
    os.utime(folder / "a.jpg", ns=(0, 0))
    result = embed(*JOB)
    assert result.returncode == 73 and "is not the result of this command" in result.err


def test_ctrl_c_while_a_decoder_hangs(embed, many):
    """One picture of the part in hand never comes back; nor does the whole run wait for it."""
    process = embed.start("in", "-o", "out.parquet", "--part-rows", "300", "--threads", "1", "--decoders", "2")
    stopped = None
    while process.poll() is None and not stopped:
        workers = [w for keeper in children(process.pid) for w in children(keeper)]
        if len(workers) == 2 and (embed.dir / "out.parquet.parts/job.json").exists():
            stopped = workers[0]
            os.kill(stopped, signal.SIGSTOP)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    assert time.monotonic() - sent < 5
    embed.ok("in", "-o", "out.parquet", "--part-rows", "300")
    assert embed.table("out.parquet").num_rows == 328
