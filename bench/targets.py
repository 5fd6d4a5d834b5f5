"""What ken is meant to reach, and how each figure is found in the results of the benchmarks.

A target is met when every figure of its row reaches it: at most where `below` is set, else at least.
"""

from dataclasses import dataclass
from typing import Callable, Optional


@dataclass
class Target:
    title: str
    benchmark: str
    figures: Callable  # from a result to {label: figure}
    avx2: Optional[float]
    vnni: Optional[float]
    form: str = ".2f"
    below: bool = False

    def of(self, tier):
        return self.avx2 if tier == "avx2" else self.vnni

    def is_met(self, figures, tier):
        wanted = self.of(tier)
        if wanted is None or not figures:
            return None
        values = figures.values()
        return max(values) <= wanted if self.below else min(values) >= wanted


def ratios(ours, peer, settings):
    """Of measure.ratio_rows, labelled by their settings."""

    def find(result):
        rows = {
            row["setting"]: row["ratio"]
            for row in result["ratios"]
            if row["ours"] == ours and row["peer"] == peer
        }
        return {setting: rows[setting] for setting in settings if setting in rows}

    return find


def best_text(result):
    """The faster of s16 and int8 to the fastest peer of any precision."""
    found = {}
    for row in result["ratios"]:
        if row["peer"] == "best peer" and row["ours"] in ("ken s16", "ken int8"):
            if row["setting"].startswith("1x"):
                found[row["setting"]] = max(row["ratio"], found.get(row["setting"], 0))
    return found


def shares(ours):
    return lambda result: result.get("share_of_peak", {}).get(ours, {})


def least_efficient(ours):
    def find(result):
        rates = result["efficiency"].get(ours, {})
        others = {setting: rate for setting, rate in rates.items() if "vit-b-32," not in setting}
        if not others:
            return {}
        worst = min(others, key=others.get)
        return {worst: others[worst]}

    return find


def program(name, field):
    def find(result):
        found = result["programs"].get(name)
        return {field.replace("_", " "): found[field]} if found else {}

    return find


def pictures(result):
    return {size: row["Pillow / ken"] for size, row in result["wall_ratio"].items()}


def growth(result):
    """CPU time a photo of the longest job to that of the shortest."""
    rows = sorted(result["rows"], key=lambda row: row["images"])
    label = f"{rows[-1]['images']:,} to {rows[0]['images']:,} photos"
    return {label: rows[-1]["cpu_ms_per_image"] / rows[0]["cpu_ms_per_image"]}


BATCH_16, BATCH_1 = ["16x1", "16x2"], ["1x2"]
WHOLE = ["images_per_second", "steady_images_per_second"]
CLIP_RETRIEVAL, ONNX_RUNTIME = "DataLoader + OpenCLIP", "ONNX Runtime + Pillow"

TARGETS = [
    Target("f32 / best fp32 peer", "encode", ratios("ken f32", "best fp32 peer", BATCH_16), 1.1, 1.1),
    Target("s16 / best fp32 peer", "encode", ratios("ken s16", "best fp32 peer", BATCH_16), 1.4, 2.3),
    Target("s16 / best int8 peer", "encode", ratios("ken s16", "best int8 peer", BATCH_16), 0.95, 0.9),
    Target(
        "int8 / best int8 peer", "encode", ratios("ken int8", "best int8 peer", BATCH_16), 1.3, None
    ),
    Target(
        "int8 / ONNX Runtime int8",
        "encode",
        ratios("ken int8", "ONNX Runtime int8", BATCH_16),
        None,
        1.6,
    ),
    Target(
        "int8 / OpenVINO NNCF int8",
        "encode",
        ratios("ken int8", "OpenVINO NNCF int8", BATCH_16),
        None,
        1.1,
    ),
    Target(
        "batch 1, 2 threads: s16 / best fp32 peer",
        "encode",
        ratios("ken s16", "best fp32 peer", BATCH_1),
        1.4,
        1.9,
    ),
    Target("share of the measured peak, f32", "encode", shares("ken f32"), 0.85, 0.88, ".0%"),
    Target("share of the measured peak, s16", "encode", shares("ken s16"), 0.80, 0.85, ".0%"),
    Target("share of the measured peak, int8", "encode", shares("ken int8"), 0.75, 0.80, ".0%"),
    Target("text, 12 tokens, batch 1: int8 or s16 / best peer", "text", best_text, 1.5, 1.7),
    Target(
        "least efficient larger model, s16", "models", least_efficient("ken s16"), 0.85, 0.85, ".0%"
    ),
    Target(
        "least efficient larger model, int8", "models", least_efficient("ken int8"), 0.85, 0.85, ".0%"
    ),
    Target("pictures: ken / Pillow", "pictures", pictures, 2, 2),
    Target(
        "whole job: s16 / DataLoader + OpenCLIP",
        "pipeline",
        ratios("ken s16", CLIP_RETRIEVAL, WHOLE),
        3,
        3,
    ),
    Target(
        "whole job: int8 / DataLoader + OpenCLIP",
        "pipeline",
        ratios("ken int8", CLIP_RETRIEVAL, WHOLE),
        4,
        4,
    ),
    Target(
        "whole job: s16 / ONNX Runtime + Pillow",
        "pipeline",
        ratios("ken s16", ONNX_RUNTIME, WHOLE),
        1.4,
        2,
    ),
    Target("peak memory, s16 (MB)", "pipeline", program("ken s16", "peak_mb"), 700, 700, ".0f", True),
    Target("peak memory, int8 (MB)", "pipeline", program("ken int8", "peak_mb"), 500, 500, ".0f", True),
    Target("CPU time a photo, long job to short", "flat", growth, 1.1, 1.1, ".2f", True),
    Target(
        "first start (s)", "start", program("ken s16, first start", "wall_seconds"), 1.5, 1.5, ".2f", True
    ),
    Target(
        "second start (s)",
        "start",
        program("ken s16, second start", "wall_seconds"),
        0.2,
        0.2,
        ".2f",
        True,
    ),
    Target(
        "second start (MB)",
        "start",
        program("ken s16, second start", "peak_mb"),
        350,
        350,
        ".0f",
        True,
    ),
]
