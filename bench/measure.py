"""What the benchmarks share: engines that take turns, commands timed with all their children, medians
and ratios, and the JSON files of bench/results."""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench/peers"
REST_SECONDS = 0.05  # after which the threads of the engine before sleep
SAMPLE_SECONDS = 0.2  # between two looks at the memory of a command


# ---- engines -----------------------------------------------------------------------------------


class Ended(Exception):
    """An engine's process is gone."""


class Engine:
    """A process that answers the commands of bench_encode.c, and sleeps between them."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | {"HF_HUB_OFFLINE": "1"} | (environment or {}),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.version = self.answer().removeprefix("ready ")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Ended(f"{self.name} ended with exit code {self.process.wait()}")
        return line.strip()

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except BrokenPipeError as error:
            raise Ended(f"{self.name} ended with exit code {self.process.wait()}") from error

    def run(self, batch, threads, repeats):
        """Seconds of each repetition."""
        self.ask("run", batch, threads, repeats)
        return [float(seconds) for seconds in self.answer().split()]

    def peak(self, threads):
        """10^9 operations a second that so many threads reach at the same time; 0 when the machine was
        too busy to tell. ken's engines only."""
        self.ask("peak", threads)
        return float(self.answer())

    def cpu_seconds(self, _threads):
        """CPU time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def embed(self, batch, threads):
        self.ask("embed", batch, threads)
        return np.array([self.answer().split() for _ in range(batch)], np.float64)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class FixedThreadsEngine:
    """For engines that fix their number of threads when they start: a process for each number."""

    def __init__(self, name, command, variable, thread_counts):
        self.name = name
        self.processes = {
            count: Engine(name, command, {variable: str(count)}) for count in thread_counts
        }
        self.version = self.processes[thread_counts[0]].version

    def run(self, batch, threads, repeats):
        return self.processes[threads].run(batch, threads, repeats)

    def cpu_seconds(self, threads):
        return self.processes[threads].cpu_seconds(threads)

    def embed(self, batch, threads):
        return self.processes[threads].embed(batch, threads)

    def close(self):
        for engine in self.processes.values():
            engine.close()


def setting_name(batch, threads):
    return f"{batch}x{threads}"


def check_embeddings(engines, reference, batch, thread_counts, limit_of):
    """Each engine's smallest cosine to the unit vectors of `reference`; ends where one is too small. Gives
    the cosines, and what ended instead of answering."""
    expected = reference.embed(batch, 1)
    cosines, ended = {}, {}
    for engine in engines:
        try:
            found = [engine.embed(batch, threads) for threads in thread_counts]
        except Ended as reason:
            ended[engine.name] = str(reason)
            say(f"{reason}: it is not measured")
            continue
        cosines[engine.name] = float(min((vectors * expected).sum(1).min() for vectors in found))
        if not cosines[engine.name] >= limit_of(engine.name):
            sys.exit(f"{engine.name} computes other embeddings than {reference.name}: {cosines}")
    return cosines, ended


class Rates:
    """What interleaved rounds gave, {engine: {"batch x threads": [one a round]}}: items a second, and
    a second of CPU time, which a busy neighbour disturbs less."""

    def __init__(self, wall=None, cpu=None):
        self.wall, self.cpu = wall or {}, cpu or {}

    def add(self, name, setting, wall, cpu):
        self.wall.setdefault(name, {}).setdefault(setting, []).append(wall)
        self.cpu.setdefault(name, {}).setdefault(setting, []).append(cpu)

    def as_json(self, unit):
        return {
            f"{unit}_per_second": medians(self.wall),
            f"{unit}_per_cpu_second": medians(self.cpu),
            f"rounds_{unit}_per_second": self.wall,
            f"rounds_{unit}_per_cpu_second": self.cpu,
        }


def repeats_for(seconds, enough=0.4, most=64):
    """How often a run of so many seconds is repeated within a round: the clock of CPU time ticks
    100 times a second."""
    return max(1, min(most, round(enough / max(seconds, 1e-6))))


def interleave(engines, settings, rounds, say=None):
    """Runs every engine in every setting `rounds` times, in turn, after a round that warms up."""
    rates, repeats = Rates(), {}
    for number in range(-1, rounds):
        if say:
            say(f"round {number + 1} of {rounds}" if number >= 0 else "warming up")
        turn = number % len(engines)
        for batch, threads in settings:
            for engine in engines[turn:] + engines[:turn]:
                key = (engine.name, batch, threads)
                if number < 0:
                    engine.run(batch, threads, 1)
                    repeats[key] = repeats_for(engine.run(batch, threads, 1)[0])
                    continue
                time.sleep(REST_SECONDS)
                before = engine.cpu_seconds(threads)
                seconds = engine.run(batch, threads, repeats[key])
                cpu_seconds = engine.cpu_seconds(threads) - before
                rates.add(
                    engine.name,
                    setting_name(batch, threads),
                    batch / statistics.median(seconds),
                    batch * repeats[key] / max(cpu_seconds, 0.01),
                )
    return rates


# ---- commands ----------------------------------------------------------------------------------


@dataclass
class Cost:
    """What a command took, its children included. `peak_mb` is the largest sum of the processes'
    memory (each shared page counted once); of a command too short for a second look at its memory,
    the largest resident size of one process."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def children_of(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:  # the thread has ended
            continue
    return found


def memory_of(pid):
    """Proportional set sizes of a process and its children, in bytes."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        return total + sum(memory_of(child) for child in children_of(pid))
    except OSError:  # it has ended
        return total


class MemoryWatch(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.ended = pid, 0, threading.Event()

    def run(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(memory_of(child) for child in children_of(self.pid)))


def time_command(command, environment=None, watch_memory=True, accept=(0,)):
    """Runs a command and gives its Cost and standard output."""
    with tempfile.NamedTemporaryFile("r", prefix="ken-bench-") as cost:
        small = [sys.executable, "-S", "-E", Path(__file__).with_name("time_child.py"), cost.name]
        with subprocess.Popen(
            [str(part) for part in [*small, *command]],
            env=os.environ | {"HF_HUB_OFFLINE": "1"} | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            watch = MemoryWatch(process.pid)
            if watch_memory:
                watch.start()
            output, errors = process.communicate()
            watch.ended.set()
        if process.returncode not in accept:
            sys.exit(f"{command[0]} ended with exit code {process.returncode}:\n{errors}")
        wall, cpu, peak = map(float, cost.read().split())
    return Cost(wall, cpu, max(watch.peak, peak) / 1e6), output


def median_cost(costs):
    return {
        field: statistics.median(asdict(cost)[field] for cost in costs) for field in asdict(costs[0])
    }


# ---- results -----------------------------------------------------------------------------------


def medians(rates):
    return {
        name: {setting: statistics.median(values) for setting, values in settings.items()}
        for name, settings in rates.items()
    }


def best_of(rates, names):
    """{setting: the largest rate of the named engines}, and who had it."""
    present = [name for name in names if name in rates]
    if not present:
        return None
    settings = rates[present[0]]
    return {
        setting: max(((rates[name][setting], name) for name in present), key=lambda pair: pair[0])
        for setting in settings
    }


def ratio_rows(rates, pairs):
    """Rows of ratios: [{"ours", "peer", "setting", "ratio", "of"}]; `pairs` holds (ours, title of the
    peers, their names), and the ratio is to the fastest of them in each setting."""
    rows = []
    for ours, title, names in pairs:
        best = best_of(rates, names)
        if ours not in rates or best is None:
            continue
        for setting, (rate, name) in best.items():
            rows.append(
                {
                    "ours": ours,
                    "peer": title,
                    "setting": setting,
                    "ratio": rates[ours][setting] / rate,
                    "of": name,
                }
            )
    return rows


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def has_vnni():
    """Whether the machine is of the better kind, on which another tier was asked for if it is."""
    return "avx512_vnni" in Path("/proc/cpuinfo").read_text()


def memory_gb():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return round(pages / 1e9, 1)


def commit():
    """The commit that was measured, with a mark when the work tree differs."""
    command = ["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=9"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def head(benchmark, tier):
    """What every result says about itself. Taken before the measurement: its load is the others'."""
    return {
        "benchmark": benchmark,
        "date": datetime.date.today().isoformat(),
        "machine": cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": memory_gb(),
        "has_avx512_vnni": has_vnni(),
        "load_average": os.getloadavg()[0],
        "tier": tier,
        "commit": commit(),
    }


def save(result, directory):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result['benchmark']}-{result['tier']}-{result['date']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {os.path.relpath(path)}")


def tier(arguments):
    """The tier of ken's kernels that is measured."""
    if arguments.cpu:
        return arguments.cpu
    command = [arguments.build / "ken", "doctor", "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)["tier"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def print_machine(result):
    print(
        f"{result['machine']}, {result['cpus']} CPUs, tier {result['tier']}, load average "
        f"{result['load_average']:.1f} before"
    )


def print_rates(title, rates, digits=1):
    columns = list(next(iter(rates.values())))
    width = max(len(name) for name in [title, *rates]) + 2
    widths = [max(12, len(column) + 2) for column in columns]
    print(f"{title:{width}}" + "".join(f"{c:>{w}}" for c, w in zip(columns, widths)))
    for name, settings in rates.items():
        cells = "".join(f"{settings[c]:{w}.{digits}f}" for c, w in zip(columns, widths))
        print(f"{name:{width}}{cells}")


def print_ratios(title, rows):
    """A line for ours against one kind of peer, a column for each setting."""
    lines = {}
    for row in rows:
        lines.setdefault(f"{row['ours']} / {row['peer']}", {})[row["setting"]] = row["ratio"]
    if lines:
        print_rates(title, lines, digits=2)


def arguments(description, rounds, **extra):
    """The options that all benchmarks have, and more of one's own: name=dict(add_argument's)."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        "--build", type=Path, default=ROOT / "build/release", help="where ken was built"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build/bench", help="for models, kept between runs"
    )
    parser.add_argument("--cpu", metavar="TIER", help="ken's CPU tier (default: the best)")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    for name, options in extra.items():
        parser.add_argument("--" + name.replace("_", "-"), **options)
    return parser.parse_args()
