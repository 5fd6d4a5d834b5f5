#!/usr/bin/env python3
"""./dev bench encode: ken's image encoder beside its peers, in one run.

Each engine is a process of its own that sleeps while another is measured. The rounds go through all
engines and settings in turn, so that a change of the machine's clock or its neighbours hits all alike;
the tables show medians over the rounds: images a second, and images a second of CPU time, which
neighbours on the machine disturb less. All must compute the same embeddings, or nothing is printed.
"""

import statistics

import engines
import measure
import models

SETTINGS = [(1, 1), (1, 2), (16, 1), (16, 2)]  # batch, threads
SWEEP = [(batch, threads) for threads in (1, 2) for batch in (1, 2, 4, 8, 16)]


def measure_batches(arguments):
    """Ours alone, by batch and threads, for the plot."""
    directory = engines.make_model(arguments.work, "vit-b-32")
    ours = engines.ken_engines(arguments, "image", directory, arguments.precisions)
    rates = measure.interleave(ours, SWEEP, min(arguments.rounds, 5))
    for engine in ours:
        engine.close()
    return measure.medians(rates.wall)


def measure_shares(arguments):
    """{precision: {"batch x threads": share}}: the operations that encoding needs, of those that the
    instructions of its products reach in registers right before and after it on as many threads."""
    directory = engines.make_model(arguments.work, "vit-b-32")
    operations = 2 * models.macs_of(directory) / 1e9
    found = {}
    for ours in engines.ken_engines(arguments, "image", directory, arguments.precisions):
        for batch, threads in [(16, 1), (16, 2)]:
            ours.run(batch, threads, 2)
            shares = []
            for _ in range(arguments.rounds):
                before = ours.peak(threads)
                seconds = min(ours.run(batch, threads, 3))
                peak = max(before, ours.peak(threads))
                if peak > 0:
                    shares.append(batch * operations / seconds / peak)
            if shares:
                setting = measure.setting_name(batch, threads)
                found.setdefault(ours.name, {})[setting] = statistics.median(shares)
        ours.close()
    return found


def main():
    arguments = engines.options(__doc__)
    name = "encode-quick" if arguments.quick else "encode"
    result = engines.benchmark(arguments, name, "image", "images", SETTINGS, engines.PAIRS)
    if not arguments.quick:
        result["images_per_second_by_batch"] = measure_batches(arguments)
        result["share_of_peak"] = measure_shares(arguments)
    engines.print_result(result, "images", only_ratios=arguments.quick)
    for name, shares in result.get("share_of_peak", {}).items():
        cells = ", ".join(f"{setting} {share:.0%}" for setting, share in shares.items())
        print(f"{name}: share of the peak in the same run: {cells}")
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
