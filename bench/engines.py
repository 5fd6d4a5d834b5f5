"""The engines that encode.py and text.py compare, and the files they need."""

import shutil
import statistics
import subprocess
import sys

import measure
from measure import PEERS, ROOT, Engine, FixedThreadsEngine, check_embeddings, interleave, say

INT8_VARIANTS = ["per-tensor", "per-tensor-reduced", "per-channel", "per-channel-reduced"]
FP32_PEERS = ["ONNX Runtime fp32", "OpenVINO f32", "PyTorch eager", "PyTorch compiled"]
FP32_PEERS += ["candle", "clip.cpp"]
ONLY_IMAGES = ["candle", "clip.cpp"]
INT8_PEERS = ["ONNX Runtime int8", "OpenVINO NNCF int8"]
QUICK_PEERS = ["ONNX Runtime fp32", "ONNX Runtime int8"]
QUICK_ROUNDS = 3
PEER_NAMES = [*FP32_PEERS[:2], "OpenVINO bf16", *FP32_PEERS[2:], *INT8_PEERS]

# The smallest cosine to ONNX Runtime's fp32 that counts as the same embedding.
LIMITS = {"ken f32": 0.99999, "ken s16": 0.99999, "ken int8": 0.999, "ken auto": 0.999}
LIMITS |= {name: 0.99999 for name in FP32_PEERS} | {"OpenVINO bf16": 0.999, "clip.cpp": 0.9999}
LIMITS |= {name: 0.98 for name in INT8_PEERS}

# f32, s16 and int8 of ours against the fastest of each kind.
PAIRS = [
    ("ken f32", "best fp32 peer", FP32_PEERS),
    ("ken s16", "best fp32 peer", FP32_PEERS),
    ("ken s16", "best int8 peer", INT8_PEERS),
    ("ken int8", "best fp32 peer", FP32_PEERS),
    ("ken int8", "ONNX Runtime int8", INT8_PEERS[:1]),
    ("ken int8", "OpenVINO NNCF int8", INT8_PEERS[1:]),
    ("ken int8", "best int8 peer", INT8_PEERS),
]
TEXT_PAIRS = [
    (f"ken {precision}", title, names)
    for precision in ("f32", "s16", "int8")
    for title, names in [("best fp32 peer", FP32_PEERS), ("best peer", FP32_PEERS + INT8_PEERS)]
]


def make_model(work, shape, *options):
    """A model of random weights, made once and kept."""
    directory = work / "models" / shape
    if not (directory / "ids.bin").exists():
        say(f"making {shape}")
        command = [sys.executable, ROOT / "bench/make_model.py", shape, directory, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return directory


def prepare_peers(directory):
    """The peers' files of it, made once."""
    if (directory / "peers/complete").exists():
        return
    command = [sys.executable, PEERS / "prepare.py", directory.resolve()]
    # ONNX Runtime's tools leave files in the folder they run in when they fail.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=directory)


def ken_engines(arguments, kind, directory, precisions):
    file = directory / {"image": "pixels.bin", "text": "ids.bin"}[kind]
    tier = [arguments.cpu] if arguments.cpu else []
    program = arguments.build / "bench_encode"
    return [
        Engine(f"ken {precision}", [program, kind, directory, file, precision, *tier])
        for precision in precisions
    ]


def python_engine(name, kind, engine, path, directory, *options):
    command = [sys.executable, PEERS / "engine.py", kind, engine, path, directory, *options]
    cache = {"TORCHINDUCTOR_CACHE_DIR": str(directory / "peers/inductor")}
    return Engine(name, command, cache)


def best_int8_variant(kind, directory, settings, rounds=3):
    """ONNX Runtime's dynamic int8 in its variants: an engine of the fastest, and what was measured. The
    fastest is the one with the largest geometric mean of rates over the settings."""
    engines = [
        python_engine(
            variant, kind, "onnxruntime", directory / f"peers/{kind}-{variant}.onnx", directory
        )
        for variant in INT8_VARIANTS
    ]
    rates = interleave(engines, settings, rounds).as_json("items")["items_per_second"]
    score = {name: statistics.geometric_mean(values.values()) for name, values in rates.items()}
    best = max(score, key=score.get)
    for engine in engines:
        if engine.name != best:
            engine.close()
    chosen = next(engine for engine in engines if engine.name == best)
    chosen.name = "ONNX Runtime int8"
    return chosen, {"best": best, "items_per_second": rates}


def candle_engine(name, directory, settings):
    """Built when asked for. Its number of threads is fixed when it starts."""
    target = ROOT / "build/candle"
    manifest = PEERS / "candle/Cargo.toml"
    build = ["cargo", "build", "--release", "--locked", "--quiet"]
    subprocess.run([*build, "--manifest-path", manifest, "--target-dir", target], check=True)
    counts = sorted({threads for _, threads in settings})
    program = target / "release/candle-peer"
    return FixedThreadsEngine(name, [program, directory], "RAYON_NUM_THREADS", counts)


def peer_engine(name, kind, directory, settings):
    """An engine by its name in PEER_NAMES; None where it does not apply or its tools are not here."""
    if kind == "text" and name in ONLY_IMAGES:
        return None
    if name == "candle":
        return candle_engine(name, directory, settings) if shutil.which("cargo") else None
    peers = directory / "peers"
    path, engine, options = {
        "ONNX Runtime fp32": (peers / f"{kind}.onnx", "onnxruntime", []),
        "OpenVINO f32": (peers / f"{kind}.xml", "openvino", ["f32"]),
        "OpenVINO bf16": (peers / f"{kind}.xml", "openvino", ["bf16"]),
        "OpenVINO NNCF int8": (peers / f"{kind}-int8.xml", "openvino", ["f32"]),
        "PyTorch eager": (directory, "torch", []),
        "PyTorch compiled": (directory, "compiled", []),
        "clip.cpp": (peers / "image.gguf", "clip.cpp", []),
    }[name]
    return python_engine(name, kind, engine, path, directory, *options)


def start_peers(arguments, kind, directory, settings):
    """The engines that are here, and which variant ONNX Runtime's int8 has."""
    engines, variants = [], None
    for name in QUICK_PEERS if arguments.quick else arguments.peers:
        say(f"starting {name}")
        try:
            if name == "ONNX Runtime int8":
                trial = [max(settings)] if arguments.quick else settings
                engine, variants = best_int8_variant(kind, directory, trial)
            else:
                engine = peer_engine(name, kind, directory, settings)
        except (measure.Ended, subprocess.CalledProcessError) as reason:
            say(f"{reason}")
            engine = None
        if engine:
            engines.append(engine)
        else:
            say(f"{name} is not measured")
    return engines, variants


def compare(arguments, kind, directory, settings):
    """Rates of ours and the peers, interleaved, and what else a result says of them."""
    peers, variants = start_peers(arguments, kind, directory, settings)
    engines = ken_engines(arguments, kind, directory, arguments.precisions) + peers
    counts = sorted({threads for _, threads in settings})
    largest = max(batch for batch, _ in settings)
    cosines, ended = check_embeddings(engines, peers[0], largest, counts, LIMITS.get)
    if any(name.startswith("ken") for name in ended):
        sys.exit(f"{ended}")
    engines = [engine for engine in engines if engine.name not in ended]
    rates = interleave(engines, settings, arguments.rounds, say)
    for engine in engines:
        engine.close()
    versions = {engine.name: engine.version for engine in engines}
    about = {
        "versions": versions,
        "min_cosine": cosines,
        "onnxruntime_int8": variants,
        "ended": ended,
    }
    return rates, about


def comma_list(text):
    return text.split(",")


def options(description):
    arguments = measure.arguments(
        description,
        rounds=7,
        quick=dict(action="store_true", help="ratios to ONNX Runtime only, three rounds"),
        peers=dict(type=comma_list, default=PEER_NAMES, metavar="NAME,.."),
        precisions=dict(type=comma_list, default=["f32", "s16", "int8"], metavar="P,.."),
    )
    if arguments.quick:
        arguments.rounds = min(arguments.rounds, QUICK_ROUNDS)
    return arguments


def benchmark(arguments, name, kind, unit, settings, pairs):
    """The result of one comparison on ViT-B/32."""
    directory = make_model(arguments.work, "vit-b-32")
    prepare_peers(directory)
    result = measure.head(name, measure.tier(arguments))
    rates, about = compare(arguments, kind, directory, settings)
    result |= {"model": "ViT-B/32, random weights", "rounds": arguments.rounds} | about
    result |= rates.as_json(unit)
    result["ratios"] = measure.ratio_rows(result[f"{unit}_per_second"], pairs)
    result["cpu_ratios"] = measure.ratio_rows(result[f"{unit}_per_cpu_second"], pairs)
    return result


def print_result(result, unit, only_ratios):
    measure.print_machine(result)
    print(f"{result['model']}; batch x threads, medians of {result['rounds']} rounds")
    if not only_ratios:
        measure.print_rates(f"{unit} a second", result[f"{unit}_per_second"])
        measure.print_rates(f"{unit} a CPU second", result[f"{unit}_per_cpu_second"])
    measure.print_ratios("ratios", result["ratios"])
    measure.print_ratios("ratios by CPU time", result["cpu_ratios"])
