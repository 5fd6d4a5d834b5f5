#!/usr/bin/env python3
"""./dev bench pictures: from a JPEG file to the pixels that CLIP takes, beside Pillow and Pillow-SIMD.

Decoding, orientation, bicubic resize of the short side to 224, centre crop; files are in memory, a
thread each. Every engine is a process that sleeps while another is measured, and all take turns.
ken's pixels must equal Pillow's, or nothing is printed; Pillow-SIMD's differ, since it calculates with
fewer bits. The fast rows shrink in the decoder first (ken's --resize fast, Pillow's draft).

Sizes: the photos of examples/photos, 0.2 megapixels each; of 2 and 12 megapixels there are none that
may be kept here, so that mosaics of those photos, not scaled, stand for them. --photo adds real files.
"""

import argparse
import statistics
import sys
from pathlib import Path

import measure
from PIL import Image

ENOUGH_SECONDS = 0.1  # of work for one engine, size and round
MOSAICS = {"2 MP": (1600, 1200), "12 MP": (4000, 3000)}
TILE = 400
QUALITY = 85


class Engine(measure.Engine):
    def digest(self, how, path):
        self.ask("digest", how, path)
        return self.answer()

    def seconds(self, how, repeats, path):
        """Wall and CPU seconds of one picture."""
        self.ask("run", how, repeats, path)
        wall, cpu = self.answer().split()
        return float(wall), float(cpu)


def make_mosaic(size, photos, path):
    canvas = Image.new("RGB", size)
    corners = [(x, y) for y in range(0, size[1], TILE) for x in range(0, size[0], TILE)]
    for number, corner in enumerate(corners):
        with Image.open(photos[number % len(photos)]) as photo:
            canvas.paste(photo.convert("RGB").crop((0, 0, TILE, TILE)), corner)
    canvas.save(path, quality=QUALITY)


def prepare(work, photos, extra):
    """{size: [files]}"""
    work.mkdir(parents=True, exist_ok=True)
    sizes = {"0.2 MP": photos}
    for name, size in MOSAICS.items():
        path = work / f"mosaic-{size[0]}x{size[1]}.jpg"
        if not path.exists():
            make_mosaic(size, photos, path)
        sizes[name] = [path]
    for path in extra:
        with Image.open(path) as photo:
            sizes[f"{photo.width * photo.height / 1e6:.1f} MP, {path.name}"] = [path]
    return sizes


def start(arguments):
    """{name: (process, exact or fast)}"""
    peer = measure.PEERS / "pictures_pillow.py"
    ken = Engine("ken", [arguments.build / "bench_pictures", *([arguments.cpu] if arguments.cpu else [])])
    pillow = Engine("Pillow", [sys.executable, peer])
    engines = {"ken": (ken, "exact"), "Pillow": (pillow, "exact")}
    if arguments.simd:
        engines["Pillow-SIMD"] = (Engine("Pillow-SIMD", [arguments.simd, peer]), "exact")
    return engines | {"ken fast": (ken, "fast"), "Pillow draft": (pillow, "fast")}


def check_pixels(engines, sizes):
    ken, pillow = engines["ken"][0], engines["Pillow"][0]
    for path in sum(sizes.values(), []):
        if ken.digest("exact", path) != pillow.digest("exact", path):
            sys.exit(f"ken makes other pixels of {path} than Pillow {pillow.version}")


def interleave(engines, sizes, rounds):
    """{size: {engine: [(wall, CPU) milliseconds of a picture, one a round]}}"""
    found = {size: {name: [] for name in engines} for size in sizes}
    for size, paths in sizes.items():
        repeats = {}
        for name, (engine, how) in engines.items():  # warms up
            once = sum(engine.seconds(how, 1, path)[0] for path in paths)
            repeats[name] = max(1, round(ENOUGH_SECONDS / once))
        for number in range(rounds):
            order = list(engines)[number % len(engines):] + list(engines)[: number % len(engines)]
            for name in order:
                engine, how = engines[name]
                times = [engine.seconds(how, repeats[name], path) for path in paths]
                found[size][name].append(
                    tuple(1000 * sum(column) / len(paths) for column in zip(*times, strict=True)))
    return found


def medians(found, column):
    return {size: {name: statistics.median(pair[column] for pair in rounds)
                   for name, rounds in engines.items()} for size, engines in found.items()}


def ratios(times):
    """How many times as long as ken each engine takes; the fast ones are compared with ken fast."""
    rows = {}
    for size, engines in times.items():
        rows[size] = {f"{name} / ken": engines[name] / engines["ken"]
                      for name in engines if name.startswith("Pillow") and name != "Pillow draft"}
        rows[size]["Pillow draft / ken fast"] = engines["Pillow draft"] / engines["ken fast"]
        rows[size]["ken / ken fast"] = engines["ken"] / engines["ken fast"]
    return rows


def print_table(title, rows, form):
    columns = list(next(iter(rows.values())))
    print(f"\n{title}")
    print(f"{'':28}" + "".join(f"{column:>26}" for column in columns))
    for size, values in rows.items():
        print(f"{size[:27]:28}" + "".join(f"{values[column]:26{form}}" for column in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=measure.ROOT / "build/release")
    parser.add_argument("--work", type=Path, default=measure.ROOT / "build/bench/pictures")
    parser.add_argument("--simd", type=Path, help="the Python of an environment with Pillow-SIMD")
    parser.add_argument("--cpu", metavar="TIER", help="ken's CPU tier (default: the best)")
    parser.add_argument("--photo", type=Path, action="append", default=[], help="a file more")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=measure.ROOT / "bench/results")
    arguments = parser.parse_args()

    photos = sorted((measure.ROOT / "examples/photos").glob("*/*.jpg"))
    sizes = prepare(arguments.work, photos, arguments.photo)
    engines = start(arguments)
    check_pixels(engines, sizes)
    result = measure.head("pictures", engines["ken"][0].version)
    found = interleave(engines, sizes, arguments.rounds)
    for engine in {engine for engine, _ in engines.values()}:
        engine.close()

    wall, cpu = medians(found, 0), medians(found, 1)
    result |= {
        "rounds": arguments.rounds,
        "versions": {name: engine.version for name, (engine, _) in engines.items()},
        "megapixels": {size: [str(path.name) for path in paths[:1]] + [len(paths)]
                       for size, paths in sizes.items()},
        "wall_ms": wall, "cpu_ms": cpu, "wall_ratio": ratios(wall), "cpu_ratio": ratios(cpu),
        "rounds_wall_cpu_ms": found,
    }
    print(f"medians of {arguments.rounds} rounds, one thread; {result['machine']}, tier "
          f"{result['tier']}, load average {result['load_average']:.1f}; Pillow "
          f"{engines['Pillow'][0].version}")
    print_table("milliseconds a picture (wall clock)", wall, ".2f")
    print_table("milliseconds of CPU time a picture", cpu, ".2f")
    print_table("times as long (wall clock)", result["wall_ratio"], ".2f")
    print_table("times as long (CPU time)", result["cpu_ratio"], ".2f")
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
