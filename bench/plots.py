#!/usr/bin/env python3
"""./dev bench plots: the newest results of bench/results as the pictures of docs/performance.md."""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from tables import FORCED, AVX2, ROOT, VNNI, newest_results

STAGES = ["read", "decode", "resize", "encode", "write", "other"]
STYLE = {
    "svg.hashsalt": "ken",  # the same results give the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(path)


def plot_flat(result, path):
    """Cost of a photo and memory against their number."""
    rows = sorted(result["rows"], key=lambda row: row["images"])
    numbers = [row["images"] for row in rows]
    figure, (cost, memory) = plt.subplots(1, 2, figsize=(9, 3.2))
    cost.plot(numbers, [row["cpu_ms_per_image"] for row in rows], "o-", label="CPU time")
    cost.plot(numbers, [row["wall_ms_per_image"] for row in rows], "s--", label="wall time")
    cost.set_ylabel("ms a photo")
    cost.legend()
    memory.plot(numbers, [row["peak_mb"] for row in rows], "o-", label="ken embed")
    memory.plot(numbers, [row["decoder_peak_mb"] for row in rows], "s--", label="a decoder")
    memory.set_ylabel("peak memory (MB)")
    memory.legend()
    for axes in (cost, memory):
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("photos")
    save(figure, path)


def plot_batches(result, path):
    """Images a second against the batch, on one and two threads."""
    rates = result["images_per_second_by_batch"]
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for index, (name, values) in enumerate(rates.items()):
        for threads, style in (("1", "o--"), ("2", "s-")):
            points = [
                (int(setting.split("x")[0]), rate)
                for setting, rate in values.items()
                if setting.split("x")[1] == threads
            ]
            label = f"{name}, {threads} thread{'s' if threads > '1' else ''}"
            axes.plot(*zip(*sorted(points)), style, color=f"C{index}", label=label)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch")
    axes.set_ylabel("images a second, ViT-B/32")
    axes.legend(fontsize=8)
    save(figure, path)


def plot_stages(result, path):
    """Where the CPU time of `ken embed` goes, a bar for each precision."""
    figure, axes = plt.subplots(figsize=(7, 2.4))
    names = list(result["stages"])
    left = [0.0] * len(names)
    for stage in STAGES:
        widths = [
            1e3 * result["stages"][name].get(stage, {"cpu_seconds": 0})["cpu_seconds"] / result["photos"]
            for name in names
        ]
        axes.barh(names, widths, left=left, label=stage)
        left = [a + b for a, b in zip(left, widths)]
    axes.invert_yaxis()
    axes.set_xlabel("CPU ms a photo, ViT-B/32")
    axes.legend(ncols=len(STAGES), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    save(figure, path)


def plot_peers(result, path):
    """Images a second of all engines, batch 16."""
    rates = result["images_per_second"]
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.42 * len(rates)))
    names = list(rates)
    for offset, (setting, label) in enumerate((("16x1", "1 thread"), ("16x2", "2 threads"))):
        places = [index + 0.4 * offset - 0.2 for index in range(len(names))]
        axes.barh(places, [rates[name][setting] for name in names], height=0.38, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("images a second, ViT-B/32, batch 16")
    axes.legend()
    save(figure, path)


PLOTS = {
    "bench-flat.svg": ("flat", plot_flat),
    "bench-batches.svg": ("encode", plot_batches),
    "bench-stages.svg": ("pipeline", plot_stages),
    "bench-peers.svg": ("encode", plot_peers),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    parser.add_argument("--images", type=Path, default=ROOT / "docs/images")
    arguments = parser.parse_args()
    results = newest_results(arguments.results)
    with plt.rc_context(STYLE):
        for name, (benchmark, plot) in PLOTS.items():
            machines = [machine for machine in (VNNI, AVX2, FORCED) if (benchmark, machine) in results]
            if machines:
                plot(results[benchmark, machines[0]], arguments.images / name)
            else:
                print(f"no result of `./dev bench {benchmark}` for {name}")


if __name__ == "__main__":
    main()
