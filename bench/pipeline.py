#!/usr/bin/env python3
"""./dev bench pipeline: a folder of photos into a Parquet file of embeddings, ken beside its peers.

Whole programs, from start to end: `ken embed`; a DataLoader with worker processes, OpenCLIP and
PyTorch, the shape of clip-retrieval; sentence-transformers; ONNX Runtime with Pillow in threads. Each
runs on one photo, which is its start, and on all of them; the rate is that of the difference. The
programs take turns, medians over the rounds; all read the same photos and the same weights from the
page cache, and must give the same vectors.
"""

import itertools
import json
import os
import shutil
import statistics
import sys
from pathlib import Path

import engines
import measure
import numpy as np
from measure import PEERS, ROOT

# The smallest cosine to ONNX Runtime's fp32. Where the margin is odd, OpenCLIP crops half a pixel further
# than transformers, which random weights answer with other vectors.
LIMITS = {"ken int8": 0.999, "DataLoader + OpenCLIP": 0.97, "ONNX Runtime int8 + Pillow": 0.98}
REFERENCE = "ONNX Runtime + Pillow"
TARGETS = ["DataLoader + OpenCLIP", "sentence-transformers", REFERENCE]
TARGETS += ["ONNX Runtime int8 + Pillow"]
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def make_photos(work, source, count):
    """A folder of `count` photos, the source's repeated under other names, and a folder of one."""
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS)
    if not found:
        sys.exit(f"'{source}' holds no photos")
    many, one = work / f"photos-{count}", work / "photos-1"
    for folder, number in ((many, count), (one, 1)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for index, path in zip(range(number), itertools.cycle(found)):
            shutil.copyfile(path, folder / f"{index:06}{path.suffix.lower()}")
        names = "".join(f"{path}\n" for path in sorted(folder.iterdir()))
        folder.with_suffix(".txt").write_text(names)
    return many, one


def ken_command(arguments, directory, precision):
    tier = ["--cpu", arguments.cpu] if arguments.cpu else []
    command = [arguments.build / "ken", "embed", "--json", "--model", directory, *tier]
    command += ["--precision", precision, "--restart"]
    return lambda folder, out: [*command, folder, "-o", out]


def peer_command(script, model):
    cpus = len(os.sched_getaffinity(0))
    start = [sys.executable, PEERS / script, model]
    return lambda folder, out: [*start, folder.with_suffix(".txt"), out, cpus]


def commands(arguments, directory):
    """{name: a function of folder and output that gives the command}."""
    peers = directory / "peers"
    ours = {
        f"ken {precision}": ken_command(arguments, directory, precision)
        for precision in arguments.precisions
    }
    return ours | {
        TARGETS[0]: peer_command("pipeline_dataloader.py", directory),
        TARGETS[1]: peer_command("pipeline_sentence.py", directory),
        TARGETS[2]: peer_command("pipeline_onnxruntime.py", peers / "image.onnx"),
        TARGETS[3]: peer_command("pipeline_onnxruntime.py", peers / "image-per-channel.onnx"),
    }


def vectors_of(path):
    """{file name: embedding} of a Parquet file."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path).to_pydict()
    names = table.get("path") or table["id"]
    return {Path(name).name: np.float64(v) for name, v in zip(names, table["embedding"])}


def check_vectors(outputs):
    """Smallest cosine of each program's vectors to the reference's; ends where one is too small."""
    reference, cosines = vectors_of(outputs[REFERENCE]), {}
    for name, path in outputs.items():
        found = vectors_of(path)
        if found.keys() != reference.keys():
            sys.exit(f"{name} embedded {len(found)} photos, {REFERENCE} {len(reference)}")
        cosines[name] = float(min(found[photo] @ v for photo, v in reference.items()))
        if not cosines[name] >= LIMITS.get(name, 0.9999):
            sys.exit(f"{name} gives other vectors than {REFERENCE}: {cosines}")
    return cosines


def run_rounds(programs, many, one, work, rounds, environment):
    """{name: {"one": [Cost], "all": [Cost]}} after a round on one photo that warms the page cache, the
    smallest cosines, and where ken says that the last round's time went."""
    stages = {}
    costs = {name: {"one": [], "all": []} for name in programs}
    outputs = {name: work / f"pipeline-{index}.parquet" for index, name in enumerate(programs)}
    for number in range(-1, rounds):
        for name, command in programs.items():
            for what, folder in (("one", one), ("all", many)):
                if number < 0 and what == "all":
                    continue
                measure.say(f"round {number + 1} of {rounds}: {name}, {what}")
                outputs[name].unlink(missing_ok=True)
                cost, said = measure.time_command(command(folder, outputs[name]), environment)
                if number >= 0:
                    costs[name][what].append(cost)
                if name.startswith("ken"):
                    stages[name] = json.loads(said)["stages"]
    return costs, check_vectors(outputs), stages


def summary(costs, count):
    """Medians of one program's runs, with its rates."""
    one, every = measure.median_cost(costs["one"]), measure.median_cost(costs["all"])
    return {
        "start_seconds": one["wall_seconds"],
        "wall_seconds": every["wall_seconds"],
        "cpu_seconds": every["cpu_seconds"],
        "peak_mb": every["peak_mb"],
        "images_per_second": count / every["wall_seconds"],
        "steady_images_per_second": statistics.median(
            (count - 1) / max(1e-3, b.wall_seconds - a.wall_seconds)
            for a, b in zip(costs["one"], costs["all"])
        ),
        "steady_images_per_cpu_second": statistics.median(
            (count - 1) / max(1e-3, b.cpu_seconds - a.cpu_seconds)
            for a, b in zip(costs["one"], costs["all"])
        ),
    }


def ratios(programs):
    """Rows as measure.ratio_rows gives them, a "setting" being what is compared."""
    kinds = ["images_per_second", "steady_images_per_second", "steady_images_per_cpu_second"]
    rates = {name: {kind: values[kind] for kind in kinds} for name, values in programs.items()}
    ours = [name for name in programs if name.startswith("ken")]
    return measure.ratio_rows(rates, [(name, peer, [peer]) for name in ours for peer in TARGETS])


def print_programs(programs):
    heads = ["start s", "wall s", "CPU s", "peak MB", "img/s", "steady", "per CPU s"]
    print(f"{'':30}" + "".join(f"{head:>11}" for head in heads))
    for name, values in programs.items():
        print(f"{name:30}" + "".join(f"{value:11.2f}" for value in values.values()))


def main():
    arguments = measure.arguments(
        __doc__,
        rounds=5,
        photos=dict(type=Path, default=ROOT / "examples/photos", help="a folder of photos"),
        count=dict(type=int, default=320, help="photos in a run; the folder's are repeated"),
        precisions=dict(type=engines.comma_list, default=["s16", "int8"], metavar="P,.."),
    )
    directory = engines.make_model(arguments.work, "vit-b-32")
    engines.prepare_peers(directory)
    many, one = make_photos(arguments.work, arguments.photos, arguments.count)
    cache = {"XDG_CACHE_HOME": str(arguments.work.resolve() / "cache")}
    result = measure.head("pipeline", measure.tier(arguments))
    programs = commands(arguments, directory)
    rounds = (many, one, arguments.work, arguments.rounds, cache)
    costs, cosines, stages = run_rounds(programs, *rounds)
    result |= {
        "model": "ViT-B/32, random weights",
        "rounds": arguments.rounds,
        "photos": arguments.count,
        "photo_bytes": sum(path.stat().st_size for path in many.iterdir()),
        "min_cosine": cosines,
        "stages": stages,
        "programs": {name: summary(found, arguments.count) for name, found in costs.items()},
    }
    result["ratios"] = ratios(result["programs"])
    measure.print_machine(result)
    print(f"{arguments.count} photos, medians of {arguments.rounds} rounds")
    print_programs(result["programs"])
    measure.print_ratios("ratios", result["ratios"])
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
