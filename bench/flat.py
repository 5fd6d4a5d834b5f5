#!/usr/bin/env python3
"""./dev bench flat: `ken embed` on 1,000 to 200,000 small photos. Cost per photo and memory must not grow.

The photos are made once, by bench/make_photos.py, and the demonstration model is small, so that lists,
hand-overs and Parquet show as much as they ever do. One job at a time, with the default options; small
numbers are measured several times, and the median by CPU time counts.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import make_photos
import measure

SIZES = [1000, 10000, 50000, 200000]
SHORT = 10000  # up to which a number is measured in several rounds
LOOK_SECONDS = 0.5


class DecoderWatch(threading.Thread):
    """The most memory that one decoder of a job took: the keeper's children."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak_mb, self.ended = pid, 0.0, threading.Event()

    def look(self):
        for keeper in measure.children_of(self.pid):
            for worker in measure.children_of(keeper):
                try:
                    lines = Path(f"/proc/{worker}/status").read_text().splitlines()
                except OSError:  # it has ended
                    continue
                peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
                self.peak_mb = max([self.peak_mb, *(peak / 1e3 for peak in peaks)])

    def run(self):
        while not self.ended.wait(LOOK_SECONDS):
            self.look()


def embed(arguments, photos, n):
    """One job on the first n photos: what it says of itself, and its decoders' memory."""
    output = arguments.work.resolve() / "flat.parquet"
    folders = [f"{i:06}" for i in range(n // make_photos.A_FOLDER)]
    command = [arguments.build.resolve() / "ken", "embed", *folders, "-o", output, "--restart"]
    command += ["--json", "--model", arguments.model, "--precision", arguments.precision]
    command += ["--cpu", arguments.cpu] if arguments.cpu else []
    with subprocess.Popen(command, cwd=photos, stdout=subprocess.PIPE, text=True) as process:
        watch = DecoderWatch(process.pid)
        watch.start()
        report = process.stdout.read()
        watch.ended.set()
    if process.returncode != 0:
        sys.exit(f"ken embed ended with exit code {process.returncode}")
    output.unlink()
    return json.loads(report), watch.peak_mb


def row_of(report, decoder_peak_mb):
    n, stages = report["n_done"], report["stages"]
    wall = report["list_seconds"] + report["load_seconds"] + report["seconds"]
    cpu = sum(stage["cpu_seconds"] for stage in stages.values())
    return {
        "images": n,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "images_per_second": n / wall,
        "wall_ms_per_image": 1e3 * wall / n,
        "cpu_ms_per_image": 1e3 * cpu / n,
        "stage_cpu_ms_per_image": {
            name: 1e3 * stage["cpu_seconds"] / n for name, stage in stages.items()
        },
        "list_seconds": report["list_seconds"],
        "peak_mb": report["peak_memory_bytes"] / 1e6,
        "expected_mb": report["expected_memory_bytes"] / 1e6,
        "decoder_peak_mb": decoder_peak_mb,
    }


def measure_size(arguments, photos, n):
    rounds = arguments.rounds if n <= SHORT else 1
    rows = [row_of(*embed(arguments, photos, n)) for _ in range(rounds)]
    row = sorted(rows, key=lambda row: row["cpu_seconds"])[len(rows) // 2]
    print(
        f"{n:9,} {row['wall_seconds']:9.1f} s {row['images_per_second']:9.0f} /s "
        f"{row['cpu_ms_per_image']:8.3f} ms {row['peak_mb']:7.0f} MB "
        f"{row['decoder_peak_mb']:7.0f} MB",
        flush=True,
    )
    return row


def main():
    arguments = measure.arguments(
        __doc__,
        rounds=3,
        sizes=dict(
            default=",".join(str(n) for n in SIZES), help="numbers of photos, whole thousands"
        ),
        model=dict(default="demo"),
        precision=dict(default="s16"),
    )
    sizes = [int(size) for size in arguments.sizes.split(",")]
    if any(size < make_photos.A_FOLDER or size % make_photos.A_FOLDER for size in sizes):
        sys.exit("sizes are multiples of 1000")

    photos = arguments.work / "photos-flat"
    print(f"making what is missing of {max(sizes):,} photos in {os.path.relpath(photos)}", flush=True)
    make_photos.make(photos, max(sizes))
    result = measure.head("flat", measure.tier(arguments))
    result |= {"model": arguments.model, "precision": arguments.precision}
    print(f"{'photos':>9} {'wall':>11} {'rate':>12} {'CPU each':>11} {'peak':>10} {'a decoder':>10}")
    result["rows"] = [measure_size(arguments, photos, n) for n in sizes]
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
