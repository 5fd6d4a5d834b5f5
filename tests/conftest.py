"""Fixtures of the Python tests: the program under test, the checkout, and a runner.

KEN names the program (default: build/release/ken); KEN_BUILD the build folder that holds the small
driver programs that some tests use.
"""
import os
import pathlib
import subprocess

import chromium
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def build():
    return pathlib.Path(os.environ.get("KEN_BUILD", ROOT / "build/release")).resolve()


@pytest.fixture(scope="session")
def ken(build):
    """Path of the program."""
    path = pathlib.Path(os.environ.get("KEN", build / "ken")).resolve()
    assert path.exists(), f"{path} is not built: run ./dev build"
    return str(path)


@pytest.fixture(scope="session")
def photos():
    return ROOT / "examples/photos"


class Result:
    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory):
    """XDG_CACHE_HOME of the tests: one for all, as a user has it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(ken, tmp_path, cache_home):
    """run("embed", "-o", "x.parquet", ...) -> Result; works in tmp_path, with a clean environment."""

    def call(*args, cwd=None, stdin=None, timeout=120, env=None):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8",
                       "XDG_CACHE_HOME": str(cache_home)}
        environment.update(env or {})
        process = subprocess.run([ken, *(a if isinstance(a, bytes) else str(a) for a in args)], cwd=cwd or tmp_path,
                                 input=stdin, capture_output=True, text=True,
                                 errors="surrogateescape", timeout=timeout, env=environment)
        return Result(process)

    return call


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Debian's chromium, one process for all tests (tests/chromium.py)."""
    if not chromium.find():
        pytest.skip("no chromium here")
    with chromium.Browser(tmp_path_factory.mktemp("browser")) as one:
        yield one
