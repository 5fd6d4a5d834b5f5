#!/usr/bin/env python3
"""Kills `ken embed` with SIGKILL at 200 random moments of a job of 10,000 pictures, resumes each time, and compares
the result with that of a run that nothing happened to. Takes minutes, so it is not part of the test suite:

    python3 tests/jobs/kill_storm.py --ken build/release/ken

Says how many rows each kill cost: those that the progress line had counted and the manifest did not yet name.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def make_pictures(folder, n):
    """Small JPEGs of random colours, no two the same."""
    import numpy as np
    from PIL import Image
    chance = np.random.default_rng(1)
    folder.mkdir()
    for i in range(n):
        colours = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        colours.resize((96, 72), Image.BICUBIC).save(folder / f"{i:06}.jpg", quality=80)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def finished_items(parts):
    """As the manifest says; its last line may be torn."""
    try:
        lines = (parts / "manifest.jsonl").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return 0
    return sum(json.loads(line)["items"] for line in lines)


def seen_items(log):
    """The last number that the progress line of this run showed."""
    counts = re.findall(rb"(\d+)/\d+ images", log.read_bytes())
    return int(counts[-1]) if counts else 0


class Storm:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.output, self.parts = work / "out.parquet", work / "out.parquet.parts"
        self.log = work / "log"
        self.chance = random.Random(options.seed)
        self.lost, self.results, self.early = [], 0, 0

    def command(self, output):
        return [self.options.ken, "embed", "pictures", "-o", output, "--model", "demo", "--progress", "always",
                "--part-rows", str(self.options.part_rows)]

    def whole_run(self):
        began = time.monotonic()
        subprocess.run(self.command("wanted.parquet"), cwd=self.work, check=True, stderr=subprocess.DEVNULL)
        self.wanted = digest(self.work / "wanted.parquet")
        return time.monotonic() - began

    def check_result(self):
        left = sorted(p.name for p in self.work.glob("out.*"))
        assert left == ["out.parquet"], left
        assert digest(self.output) == self.wanted, "the resumed run's bytes differ"
        self.output.unlink()
        self.results += 1

    def kill_once(self):
        before = finished_items(self.parts)
        with open(self.log, "wb") as log:
            run = subprocess.Popen(self.command("out.parquet"), cwd=self.work, stderr=log)
            try:
                code = run.wait(self.chance.uniform(*self.options.after))
            except subprocess.TimeoutExpired:
                run.kill()
                code = run.wait()
        if code != -9:
            assert code == 0, self.log.read_text()
            self.early += 1
            self.check_result()
        elif self.parts.exists():
            self.lost.append(max(0, seen_items(self.log) - (finished_items(self.parts) - before)))
        else:
            self.lost.append(0)  # before its first write, or after its last

    def finish(self):
        with open(self.log, "wb") as log:
            code = subprocess.run(self.command("out.parquet"), cwd=self.work, stderr=log).returncode
        assert code == 0, self.log.read_text()
        self.check_result()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ken", default="build/release/ken")
    parser.add_argument("--pictures", type=int, default=10000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--part-rows", type=int, default=128)
    parser.add_argument("--after", type=float, nargs=2, default=(0.02, 2.0), metavar=("FROM", "TO"),
                        help="seconds after its start at which a run is killed")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.ken = str(pathlib.Path(options.ken).resolve())
    work = pathlib.Path(tempfile.mkdtemp(prefix="kill-storm-"))
    try:
        make_pictures(work / "pictures", options.pictures)
        storm = Storm(options, work)
        whole = storm.whole_run()
        print(f"uninterrupted: {options.pictures} pictures in {whole:.1f} s", flush=True)
        began = time.monotonic()
        while len(storm.lost) < options.kills:
            storm.kill_once()
        storm.finish()
        lost = storm.lost
        print(f"{len(lost)} kills, {storm.results} results, all of the same bytes, {time.monotonic() - began:.0f} s; "
              f"rows lost per kill: median {statistics.median(lost):g}, mean {statistics.mean(lost):.1f}, "
              f"most {max(lost)}, parts of {options.part_rows}")
        return 0 if max(lost) <= options.part_rows else 1
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
