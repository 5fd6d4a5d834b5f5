#!/usr/bin/env python3
"""./dev bench start: from nothing to the embedding of one text, ken beside transformers and ONNX Runtime.

Whole programs that load a ViT-B/32 checkpoint (605 MB, f32), embed "a dog", print the vector and end.
The files are in the page cache. ken's first start packs the weights and keeps them, the second one maps
them. The programs take turns; medians over the rounds of wall time, CPU time and peak resident memory.
"""

import shutil
import sys

import engines
import measure
import numpy as np
from measure import PEERS

TEXT = "a dog"
LIMITS = {"ken int8": 0.999, "ONNX Runtime int8": 0.98}  # the smallest cosine; of others 0.9999
REFERENCE = "ONNX Runtime fp32"
TRANSFORMERS = "transformers"


def ken_program(arguments, directory, precision, cache, first):
    """A function that runs it: on a first start after the cache was emptied."""
    tier = ["--cpu", arguments.cpu] if arguments.cpu else []
    command = [arguments.build / "ken", "embed", "--model", directory, "--precision", precision]
    command += [*tier, "--text", TEXT]

    def run():
        if first:
            shutil.rmtree(cache, ignore_errors=True)
        return measure.time_command(command, {"XDG_CACHE_HOME": str(cache)}, watch_memory=False)

    return run


def peer_program(script, *words):
    command = [sys.executable, PEERS / script, *words, TEXT]
    return lambda: measure.time_command(command, watch_memory=False)


def programs(arguments, directory):
    cache = arguments.work.resolve() / "start-cache"
    ours = {}
    for precision in arguments.precisions:
        for start in ("first", "second"):
            ours[f"ken {precision}, {start} start"] = ken_program(
                arguments, directory, precision, cache, start == "first"
            )
    peers = directory / "peers"
    script = "start_onnxruntime.py"
    return ours | {
        TRANSFORMERS: peer_program("start_transformers.py", directory),
        REFERENCE: peer_program(script, peers / "text.onnx", directory),
        "ONNX Runtime int8": peer_program(script, peers / "text-per-channel.onnx", directory),
    }


def vector_of(output):
    return np.array(output.replace("[", " ").replace("]", " ").replace(",", " ").split(), np.float64)


def check_vectors(outputs):
    """The cosine of each program's vector to the reference's; ends where one is too small."""
    reference, cosines = vector_of(outputs[REFERENCE]), {}
    for name, output in outputs.items():
        cosines[name] = float(vector_of(output) @ reference)
        if not cosines[name] >= LIMITS.get(name.split(",")[0], 0.9999):
            sys.exit(f"{name} gives another vector than {REFERENCE}: {cosines}")
    return cosines


def run_rounds(started, rounds):
    """{name: [Cost]} after a round that warms the page cache, and the cosines."""
    costs, outputs = {name: [] for name in started}, {}
    for number in range(-1, rounds):
        for name, run in started.items():
            cost, outputs[name] = run()
            if number >= 0:
                costs[name].append(cost)
    return costs, check_vectors(outputs)


def main():
    arguments = measure.arguments(
        __doc__,
        rounds=7,
        precisions=dict(type=engines.comma_list, default=["s16", "int8"], metavar="P,.."),
    )
    directory = engines.make_model(arguments.work, "vit-b-32")
    engines.prepare_peers(directory)
    result = measure.head("start", measure.tier(arguments))
    costs, cosines = run_rounds(programs(arguments, directory), arguments.rounds)
    result |= {
        "model": "ViT-B/32, random weights, text tower",
        "rounds": arguments.rounds,
        "cosine": cosines,
        "programs": {name: measure.median_cost(found) for name, found in costs.items()},
    }
    measure.print_machine(result)
    print(f"medians of {arguments.rounds} rounds; peak of resident memory")
    print(f"{'':24}{'wall s':>10}{'CPU s':>10}{'peak MB':>10}")
    for name, cost in result["programs"].items():
        print(f"{name:24}" + "".join(f"{value:10.2f}" for value in cost.values()))
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
