#!/usr/bin/env python3
"""./dev bench encode: ken's image encoder beside its peers, in one run.

Each engine is a process of its own that sleeps while another is measured. The rounds go through all
engines and settings in turn, so that a change of the machine's clock or its neighbours hits all alike;
the tables show medians over the rounds: images a second, and images a second of CPU time, which
neighbours on the machine disturb less. All must compute the same embeddings, or nothing is printed.
"""

import engines
import measure

SETTINGS = [(1, 1), (1, 2), (16, 1), (16, 2)]  # batch, threads
SWEEP = [(batch, threads) for threads in (1, 2) for batch in (1, 2, 4, 8, 16)]


def comma_list(text):
    return text.split(",")


def options():
    return measure.arguments(
        __doc__,
        rounds=7,
        quick=dict(action="store_true", help="ratios to ONNX Runtime only, three rounds"),
        peers=dict(type=comma_list, default=engines.PEER_NAMES, metavar="NAME,.."),
        precisions=dict(type=comma_list, default=["f32", "s16"], metavar="P,.."),
    )


def measure_batches(arguments, directory):
    """Ours alone, by batch and threads, for the plot."""
    ours = engines.ken_engines(arguments, "image", directory, arguments.precisions)
    rates = measure.interleave(ours, SWEEP, min(arguments.rounds, 5))
    for engine in ours:
        engine.close()
    return measure.medians(rates.wall)


def main():
    arguments = options()
    directory = engines.make_model(arguments.work, "vit-b-32")
    engines.prepare_peers(directory)
    result = measure.head("encode-quick" if arguments.quick else "encode", measure.tier(arguments))
    found = engines.compare(arguments, "image", directory, SETTINGS)
    result |= {
        "model": "ViT-B/32, random weights",
        "rounds": 3 if arguments.quick else arguments.rounds,
        "versions": found["versions"],
        "min_cosine": found["cosines"],
        "onnxruntime_int8": found["variants"],
    }
    result |= found["rates"].as_json("images")
    wall, cpu = result["images_per_second"], result["images_per_cpu_second"]
    result["ratios"] = measure.ratio_rows(wall, engines.PAIRS)
    result["cpu_ratios"] = measure.ratio_rows(cpu, engines.PAIRS)
    if not arguments.quick:
        result["images_per_second_by_batch"] = measure_batches(arguments, directory)

    measure.print_machine(result)
    print(f"{result['model']}; batch x threads, medians of {result['rounds']} rounds")
    if not arguments.quick:
        measure.print_rates("images a second", wall)
        measure.print_rates("images a CPU second", cpu)
    measure.print_ratios("ratios", result["ratios"])
    measure.print_ratios("ratios by CPU time", result["cpu_ratios"])
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
