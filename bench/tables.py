#!/usr/bin/env python3
"""./dev bench tables: the newest results of bench/results into the tables of docs/performance.md.

The page holds a pair of comments for each table, <!-- bench:NAME --> and <!-- end -->; what lies between
them is written here and nowhere else, so that the page and the results cannot disagree. With --check
nothing is written, and a page that would change is an error.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent
THREADS = {"1": "1 thread", "2": "2 threads"}
VNNI, AVX2, FORCED = "VNNI machine", "AVX2 machine", "forced to AVX2 on the VNNI machine"


def newest_results(directory):
    """{(benchmark, kind of machine): result}, by date."""
    found = {}
    for path in sorted(directory.glob("*.json"), key=lambda path: path.stem[-10:]):
        result = json.loads(path.read_text())
        tier, has_vnni = result.get("tier", ""), result.get("has_avx512_vnni")
        if has_vnni is None:
            continue  # written before a result said on what kind of machine
        machine = VNNI if tier.startswith("avx512") else FORCED if has_vnni else AVX2
        found[result["benchmark"], machine] = result
    return found


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(heads, rows):
    return "\n".join([row(heads), "|" + "---|" * len(heads), *(row(cells) for cells in rows)])


def setting_text(setting):
    batch, threads = setting.split("x")
    return f"batch {batch}, {THREADS.get(threads, threads + ' threads')}"


def stamp(result):
    """Where and when: the line under a table."""
    return (
        f"\n\n{result['machine']}, {result['cpus']} CPUs, {result['memory_gb']} GB, tier "
        f"{result['tier']}, load average {result['load_average']:.1f} before, {result['date']}, "
        f"commit {result['commit']}."
    )


# ---- the tables --------------------------------------------------------------------------------


def figures_text(target, result, tier):
    if result is None:
        return "not measured"
    figures = target.figures(result)
    if not figures:
        return "not measured"
    text = " / ".join(format(figure, target.form) for figure in figures.values())
    if target.is_met(figures, tier) is False:
        text = f"**{text}**"
    return text


def targets_table(results):
    def wanted(target, tier):
        value = target.of(tier)
        if value is None:
            return "-"
        return ("<= " if target.below else ">= ") + format(value, target.form)

    def cells(target):
        result = {machine: results.get((target.benchmark, machine)) for machine in (VNNI, AVX2, FORCED)}
        found = next((item for item in result.values() if item), None)
        labels = " / ".join(target.figures(found)).replace("_", " ") if found else ""
        return [
            target.title,
            labels,
            wanted(target, "avx512_vnni"),
            figures_text(target, result[VNNI], "avx512_vnni"),
            wanted(target, "avx2"),
            figures_text(target, result[AVX2], "avx2"),
            figures_text(target, result[FORCED], "avx2"),
        ]

    heads = ["", "figures", "VNNI target", VNNI, "AVX2 target", AVX2, FORCED]
    return table(heads, [cells(target) for target in TARGETS])


def rates_table(result, unit):
    """Items a second, and the ratios below them."""
    rates, versions = result[f"{unit}_per_second"], result["versions"]
    settings = list(next(iter(rates.values())))
    rows = [
        [f"{name} ({versions[name]})", *(f"{values[setting]:.1f}" for setting in settings)]
        for name, values in rates.items()
    ]
    lines = {}
    for ratio in result["ratios"]:
        key = f"{ratio['ours']} / {ratio['peer']}"
        lines.setdefault(key, {})[ratio["setting"]] = f"{ratio['ratio']:.2f}"
    rows += [
        [f"**{name}**", *(f"**{values[setting]}**" for setting in settings)]
        for name, values in lines.items()
    ]
    return table([f"{unit} a second", *map(setting_text, settings)], rows)


def variants_text(result):
    variants = result["onnxruntime_int8"]
    if not variants:
        return ""
    return f" ONNX Runtime's fastest int8 variant was {variants['best']}."


def cosines_text(result):
    values = ", ".join(f"{name} {value:.7f}" for name, value in result["min_cosine"].items())
    return f" Smallest cosine to ONNX Runtime's fp32: {values}."


def comparison(result, unit):
    text = f" Medians of {result['rounds']} rounds."
    return rates_table(result, unit) + stamp(result) + text + variants_text(result) + cosines_text(result)


def encode_table(result):
    return comparison(result, "images")


def text_table(result):
    return comparison(result, "texts")


def batches_table(result):
    rates = result["images_per_second_by_batch"]
    settings = list(next(iter(rates.values())))
    rows = [
        [setting_text(setting), *(f"{values[setting]:.1f}" for values in rates.values())]
        for setting in settings
    ]
    return table(["images a second", *rates], rows) + stamp(result)


def models_table(result):
    rates, efficiency = result["gmacs_per_second"], result["efficiency"]

    def cells(setting):
        model, threads = setting.split(", ")
        macs, batch = result["gmacs_an_image"][model], result["batches"][model]
        return [model, THREADS.get(threads, threads), batch, f"{macs:.2f}"] + [
            f"{rates[ours][setting] / macs:.2f} ({efficiency[ours][setting]:.0%})" for ours in rates
        ]

    heads = ["images a second (efficiency)", "", "batch", "GMAC an image", *rates]
    rows = [cells(setting) for setting in next(iter(rates.values()))]
    return table(heads, rows) + stamp(result)


def pipeline_table(result):
    def cells(name, found):
        return [
            name,
            f"{found['start_seconds']:.2f}",
            f"{found['wall_seconds']:.1f}",
            f"{found['cpu_seconds']:.1f}",
            f"{found['images_per_second']:.1f}",
            f"{found['steady_images_per_second']:.1f}",
            f"{found['peak_mb']:.0f}",
        ]

    heads = ["", "one photo (s)", f"{result['photos']} photos (s)", "CPU time (s)", "images a second"]
    heads += ["without the start", "peak memory (MB)"]
    rows = [cells(name, found) for name, found in result["programs"].items()]
    cosines = ", ".join(f"{name} {value:.6f}" for name, value in result["min_cosine"].items())
    return table(heads, rows) + stamp(result) + f" Smallest cosine to ONNX Runtime + Pillow: {cosines}."


def start_table(result):
    rows = [
        [name, f"{cost['wall_seconds']:.2f}", f"{cost['cpu_seconds']:.2f}", f"{cost['peak_mb']:.0f}"]
        for name, cost in result["programs"].items()
    ]
    return table(["", "wall (s)", "CPU time (s)", "peak memory (MB)"], rows) + stamp(result)


def pictures_table(result):
    times = result["wall_ms"]
    heads = ["ms a picture", *next(iter(times.values()))]
    rows = [[size, *(f"{value:.2f}" for value in found.values())] for size, found in times.items()]
    return table(heads, rows) + stamp(result)


def flat_table(result):
    heads = ["photos", "wall (s)", "photos a second", "CPU ms a photo", "peak memory (MB)"]
    rows = [
        [
            f"{found['images']:,}",
            f"{found['wall_seconds']:.1f}",
            f"{found['images_per_second']:.0f}",
            f"{found['cpu_ms_per_image']:.3f}",
            f"{found['peak_mb']:.0f}",
        ]
        for found in result["rows"]
    ]
    return table(heads, rows) + stamp(result)


TABLES = {
    "encode": ("encode", encode_table),
    "batches": ("encode", batches_table),
    "text": ("text", text_table),
    "models": ("models", models_table),
    "pictures": ("pictures", pictures_table),
    "pipeline": ("pipeline", pipeline_table),
    "flat": ("flat", flat_table),
    "start": ("start", start_table),
}


PLOTS = {
    "peers": "Images a second of all engines",
    "batches": "Images a second against the batch",
    "stages": "Where the CPU time of a photo goes",
    "flat": "Cost of a photo and memory against their number",
}


def plot_link(name, page):
    """A link to what plots.py drew, if it did."""
    path = page.parent / f"images/bench-{name}.svg"
    return f"![{PLOTS[name]}](images/{path.name})" if path.exists() else ""


def make_table(name, results, page):
    if name == "targets":
        return targets_table(results)
    if name.startswith("plot_"):
        return plot_link(name.removeprefix("plot_"), page)
    benchmark, write = TABLES[name]
    found = [results[benchmark, machine] for machine in (VNNI, AVX2, FORCED) if (benchmark, machine) in results]
    if not found:
        return f"Not measured yet: `./dev bench {benchmark}`."
    return "\n\n".join(write(result) for result in found)


def fill(path, results):
    """The page with all its tables written again."""

    def replace(match):
        return f"<!-- bench:{match[1]} -->\n{make_table(match[1], results, path)}\n<!-- end -->"

    return re.sub(r"<!-- bench:(\w+) -->\n.*?<!-- end -->", replace, path.read_text(), flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/performance.md")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    before = arguments.page.read_text()
    after = fill(arguments.page, newest_results(arguments.results))
    if arguments.check and after != before:
        sys.exit(f"{arguments.page} does not say what the results say: run ./dev bench tables")
    if not arguments.check:
        arguments.page.write_text(after)


if __name__ == "__main__":
    main()
