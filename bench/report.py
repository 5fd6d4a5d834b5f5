#!/usr/bin/env python3
"""How the report of many pictures behaves in chromium: printed, not judged.

    bench/report.py [--images 10000] [--ken build/release/ken]

Makes a collection of that many pictures (the example photos again and again, vectors made up), writes
its report, opens it, lists all pictures and scrolls through them; then drags a threshold. Times are of
chromium's own clock: long tasks are those of more than 50 ms.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from chromium import Browser  # noqa: E402

WORDS = ["dress", "hat", "shirt", "shoes", "shorts", "skirt", "pants", "jacket", "t-shirt", "coat"]


def make(ken, folder, n_images):
    run = lambda *arguments: subprocess.run([ken, *map(str, arguments), "-q"], cwd=folder, check=True)
    photos = sorted((ROOT / "examples/photos").glob("*/*.jpg"))
    run("embed", "--model", "demo", ROOT / "examples/photos", "-o", "photos.parquet")
    base = np.array(pq.read_table(folder / "photos.parquet")["embedding"].to_pylist())
    vectors = base[np.arange(n_images) % len(base)] + np.random.default_rng(1).normal(size=(n_images, base.shape[1])) / 60
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    table = pa.table({"id": [f"{photos[i % 80].parent.name}/{i:06}.jpg" for i in range(n_images)],
                      "path": [str(photos[i % 80]) for i in range(n_images)],
                      "embedding": pa.array(list(vectors), pa.list_(pa.float32(), vectors.shape[1]))})
    pq.write_table(table.replace_schema_metadata(pq.read_schema(folder / "photos.parquet").metadata), folder / "many.parquet")
    rules = {"version": 1, "categories": {w: {"positive": [w], "threshold": -1 if w == "dress" else 0.5} for w in WORDS}}
    (folder / "rules.yaml").write_text(json.dumps(rules))
    began = time.monotonic()
    run("classify", "rules.yaml", "many.parquet", "--model", "demo", "--folders-as-labels", "--report", "r.html",
        "--thumbnails", n_images)
    return time.monotonic() - began


SCROLL = """(async () => {
  const tasks = [], frames = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
  let last = performance.now();
  const height = document.documentElement.scrollHeight - innerHeight;
  for (let step = 0; step <= 300; step++) {
    scrollTo({ top: (height * step) / 300, behavior: "instant" });
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  frames.sort((a, b) => a - b);
  return { tasks, median: frames[150], worst: frames[300], cards: document.querySelectorAll(".card").length };
})()"""

DRAG = """(async () => {
  const slider = document.querySelector("#c2 .slider"), times = [];
  for (let step = 0; step < 60; step++) {
    slider.value = 0.2 + step / 200;
    const began = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
    document.body.offsetHeight;
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { median: times[30], worst: times[59] };
})()"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--ken", default=str(ROOT / "build/release/ken"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        seconds = make(os.path.abspath(arguments.ken), folder, arguments.images)
        print(f"{arguments.images} pictures: written in {seconds:.1f} s, {(folder / 'r.html').stat().st_size / 1e6:.1f} MB")
        with Browser(folder, deadline=120) as browser:
            page = browser.open(folder / "r.html")
            paint = page.run("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
            load = page.run("performance.timing.loadEventEnd - performance.timing.navigationStart")
            print(f"first paint after {paint or float('nan'):.0f} ms, loaded after {load} ms")
            page.run("document.querySelector('#c1 .show-all').click()")
            page.settle()
            for way in ("first", "again"):
                s = page.run(SCROLL)
                print(f"scrolling, {way}: frame median {s['median']:.1f} ms, worst {s['worst']:.1f} ms; {len(s['tasks'])} long tasks,"
                      f" longest {max(s['tasks'], default=0):.0f} ms; {s['cards']} cards in the document")
            d = page.run(DRAG)
            print(f"a threshold moved: median {d['median']:.1f} ms, worst {d['worst']:.1f} ms")
            heap = page.run("performance.memory.usedJSHeapSize / 1e6")
            print(f"memory of the script: {heap:.0f} MB")


if __name__ == "__main__":
    main()
