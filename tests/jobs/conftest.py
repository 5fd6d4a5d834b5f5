"""What the tests of `ken embed` share: a small folder of photos and a way to start jobs on it."""
import hashlib
import os
import shutil
import signal
import subprocess

import pytest


def small_photos(photos, n):
    """The same n small photos on every machine."""
    found = sorted(p for p in photos.rglob("*.jpg") if p.stat().st_size < 20000)
    assert len(found) >= n
    return found[:n]


@pytest.fixture
def folder(photos, tmp_path):
    """A folder `in` with 8 photos a.jpg ... h.jpg whose times do not change between runs."""
    target = tmp_path / "in"
    target.mkdir()
    for name, photo in zip("abcdefgh", small_photos(photos, 8)):
        shutil.copy(photo, target / f"{name}.jpg")
        os.utime(target / f"{name}.jpg", ns=(10**18, 10**18))
    return target


class Jobs:
    """Starts ken embed in tmp_path with the demonstration model."""

    def __init__(self, ken, tmp_path, cache_home):
        self.ken = ken
        self.dir = tmp_path
        self.env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "KEN_MODEL": "demo",
                    "XDG_CACHE_HOME": str(cache_home)}

    def __call__(self, *args, wrap=(), stdin=None, timeout=60, preexec_fn=None):
        """Result of ken embed ARGS; wrap is a command that runs it, such as strace."""
        command = [*wrap, self.ken, "embed", *args]
        process = subprocess.run(command, cwd=self.dir, env=self.env, input=stdin, capture_output=True,
                                 timeout=timeout, preexec_fn=preexec_fn)
        process.err = process.stderr.decode("utf-8", "surrogateescape")
        return process

    def ok(self, *args, **more):
        process = self(*args, **more)
        assert process.returncode == 0, process.err
        return process

    def start(self, *args, **more):
        return subprocess.Popen([self.ken, "embed", *args], cwd=self.dir, env=self.env, stderr=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, **more)

    def run(self, *args):
        process = subprocess.run([self.ken, *args], cwd=self.dir, env=self.env, capture_output=True, timeout=60)
        process.err = process.stderr.decode("utf-8", "surrogateescape")
        return process

    def table(self, path):
        import pyarrow.parquet as pq
        return pq.read_table(self.dir / path)

    def errors(self, path):
        import csv
        with open(self.dir / path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def digest(self, path):
        return hashlib.sha256((self.dir / path).read_bytes()).hexdigest()


@pytest.fixture
def embed(ken, tmp_path, cache_home):
    return Jobs(ken, tmp_path, cache_home)


@pytest.fixture(scope="session")
def strace():
    path = shutil.which("strace")
    assert path, "strace is needed for these tests: apt-get install strace"
    return path


def stop_after(process, seconds, times=1, number=signal.SIGINT):
    import time
    time.sleep(seconds)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05)


def children(pid):
    """Process ids of a process's children."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(n) for n in file.read().split()]
    except OSError:
        return []
