#!/usr/bin/env python3
"""./dev bench encode: ken's image encoder beside ONNX Runtime and PyTorch, in one run.

Each engine is a process of its own that sleeps while another is measured. The rounds go through all
engines and settings in turn, so that a change of the machine's clock or its neighbours hits all alike;
the tables show medians over the rounds: images a second, and images a second of CPU time, which
neighbours on the machine disturb less. All must compute the same embeddings, or nothing is printed.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SIZE, MAX_BATCH = 224, 16
SETTINGS = [(1, 1), (16, 1), (1, 2), (16, 2)]  # batch, threads
OURS = ["ken f32", "ken s16"]
REPEATS = {1: 8, 16: 1}  # short runs are repeated within a round


class Engine:
    """A process that answers the commands of bench_encode.c."""

    def __init__(self, name, command):
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
        self.name = name
        self.process = subprocess.Popen([str(part) for part in command], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = self.answer().removeprefix("ready ")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with exit code {self.process.wait()}")
        return line.strip()

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def run(self, batch, threads, repeats):
        self.ask("run", batch, threads, repeats)
        return [float(seconds) for seconds in self.answer().split()]

    def cpu_seconds(self):
        """CPU time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def embed(self, batch, threads):
        self.ask("embed", batch, threads)
        return np.array([self.answer().split() for _ in range(batch)], np.float64)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def prepare(directory):
    """The model and the pictures, made once and kept in the build folder."""
    model, pixels = directory / "vit-b-32", directory / "pixels.bin"
    if not (model / "image.onnx").exists():
        model.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, ROOT / "bench/make_vit.py", model], check=True,
                       stdout=subprocess.DEVNULL)
    if not pixels.exists():
        generator = np.random.default_rng(0)
        generator.integers(0, 256, (MAX_BATCH, SIZE, SIZE, 3), dtype=np.uint8).tofile(pixels)
    return model, pixels


def start(arguments, model, pixels):
    peer = [sys.executable, ROOT / "bench/encode_peer.py"]
    tier = [arguments.cpu] if arguments.cpu else []
    ken = [Engine(name, [arguments.build / "bench_encode", model, pixels, name.split()[1]] + tier)
           for name in OURS]
    return [*ken,
            Engine("onnxruntime", peer + ["onnxruntime", model / "image.onnx", pixels, SIZE]),
            Engine("torch", peer + ["torch", model, pixels, SIZE])]


def check_embeddings(engines):
    """Smallest cosine of each engine's embeddings to those of the last, PyTorch's."""
    reference = engines[-1].embed(MAX_BATCH, 1)
    cosines = {}
    for engine in engines:
        found = [engine.embed(MAX_BATCH, threads) for threads in (1, 2)]
        cosines[engine.name] = float(min((embedding * reference).sum(1).min() for embedding in found))
        if not cosines[engine.name] > 0.99999:
            sys.exit(f"{engine.name} computes other embeddings than torch: {cosines}")
    return cosines


def measure(engines, rounds):
    """Images a second, and a second of CPU time: {engine: {"batch x threads": [one a round]}}."""
    rates, cpu_rates = ({engine.name: {f"{b}x{t}": [] for b, t in SETTINGS} for engine in engines}
                        for _ in range(2))
    for number in range(-1, rounds):  # round -1 warms up
        for batch, threads in SETTINGS:
            turn = number % len(engines)
            for engine in engines[turn:] + engines[:turn]:
                time.sleep(0.02)  # the last engine's threads go to sleep
                before, repeats = engine.cpu_seconds(), REPEATS[batch]
                seconds = statistics.median(engine.run(batch, threads, repeats))
                cpu_seconds = (engine.cpu_seconds() - before) / repeats
                if number >= 0:
                    rates[engine.name][f"{batch}x{threads}"].append(batch / seconds)
                    cpu_rates[engine.name][f"{batch}x{threads}"].append(batch / cpu_seconds)
    return rates, cpu_rates


def medians(rates):
    return {name: {setting: statistics.median(values) for setting, values in settings.items()}
            for name, settings in rates.items()}


def ratios(rates):
    return {f"{ken} / {peer}": {setting: rates[ken][setting] / rate for setting, rate in settings.items()}
            for ken in OURS for peer, settings in rates.items() if peer not in OURS}


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def print_table(title, rates, versions):
    columns = [f"{b}x{t}" for b, t in SETTINGS]
    heads = [f"batch {b}, {t} thread{'s' if t > 1 else ''}" for b, t in SETTINGS]
    print(f"{title:26}" + "".join(f"{head:>21}" for head in heads))
    for name, settings in rates.items():
        print(f"{name + ' ' + versions[name]:26}" + "".join(f"{settings[c]:21.1f}" for c in columns))
    for name, settings in ratios(rates).items():
        print(f"{name:26}" + "".join(f"{settings[c]:21.2f}" for c in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build/release",
                        help="build folder that holds bench_encode")
    parser.add_argument("--work", type=Path, default=ROOT / "build/bench", help="for the model")
    parser.add_argument("--cpu", metavar="TIER", help="ken's CPU tier (default: the best)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    arguments = parser.parse_args()

    model, pixels = prepare(arguments.work)
    engines = start(arguments, model, pixels)
    cosines = check_embeddings(engines)
    rates, cpu_rates = measure(engines, arguments.rounds)
    for engine in engines:
        engine.close()

    versions = {engine.name: engine.version for engine in engines}
    result = {
        "benchmark": "encode", "date": datetime.date.today().isoformat(), "machine": cpu_name(),
        "cpus": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[1],
        "ken_tier": versions[OURS[0]], "model": "ViT-B/32, random weights",
        "rounds": arguments.rounds, "versions": versions, "min_cosine_to_torch": cosines,
        "images_per_second": medians(rates), "images_per_cpu_second": medians(cpu_rates),
        "rounds_images_per_second": rates, "rounds_images_per_cpu_second": cpu_rates,
        "ken_ratio": ratios(medians(rates)), "ken_cpu_ratio": ratios(medians(cpu_rates)),
    }
    print(f"ViT-B/32 with random weights, medians of {result['rounds']} rounds; {result['machine']}, "
          f"{result['cpus']} CPUs, load average {result['load_average']:.1f}")
    print_table("images a second", result["images_per_second"], versions)
    print_table("images a CPU second", result["images_per_cpu_second"], versions)
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / f"encode-{result['ken_tier']}-{result['date']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
