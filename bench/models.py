#!/usr/bin/env python3
"""./dev bench models: is ken as efficient on larger models as on ViT-B/32?

Image towers of ViT-B/16, L/14, L/14-336, SigLIP's SO400M and RN50 with random weights and all their
layers, beside ViT-B/32: multiply-adds a second, by the multiply-adds that are computed (the last block
of a ViT that pools its class token counts for that token). The batches give each model about as many
rows in its products as 16 pictures give ViT-B/32. Each round measures all models in turn; the
efficiency is the median of the rounds' ratios to ViT-B/32.
"""

import json
import statistics

import engines
import measure

# Images a call.
BATCHES = {
    "vit-b-32": 16,
    "vit-b-16": 4,
    "vit-l-14": 4,
    "vit-l-14-336": 2,
    "so400m-14-384": 1,
    "rn50": 4,
}
BASE = "vit-b-32"


def vit_macs(config, pools_class_token):
    """Multiply-adds of one picture, of a Hugging Face vision configuration."""
    width, mlp = config["hidden_size"], config["intermediate_size"]
    patches = (config["image_size"] // config["patch_size"]) ** 2
    tokens = patches + pools_class_token
    per_token = 2 * width * width + 2 * width * mlp  # q, output and MLP
    keys_values = tokens * 2 * width * width
    layers = config["num_hidden_layers"]
    full = keys_values + tokens * per_token + 2 * tokens * tokens * width
    one = keys_values + per_token + 2 * tokens * width
    head = 0 if pools_class_token else one  # SigLIP pools by attention with one query
    body = (layers - 1) * full + (one if pools_class_token else full)
    return patches * 3 * config["patch_size"] ** 2 * width + body + head


def resnet_macs(config, embed_dim):
    """Of OpenCLIP's ModifiedResNet: three convolutions before the blocks, an attention pool after."""
    width, side = config["width"], config["image_size"] // 2
    macs = side * side * 9 * (3 * width // 2 + width // 2 * width // 2 + width // 2 * width)
    side //= 2
    channels = width
    for stage, blocks in enumerate(config["layers"]):
        inner = width << stage
        for block in range(blocks):
            before = side
            if block == 0 and stage > 0:
                side //= 2
            macs += before * before * (channels * inner + 9 * inner * inner)
            macs += side * side * inner * 4 * inner
            if block == 0:
                macs += side * side * channels * 4 * inner
            channels = 4 * inner
    tokens = side * side + 1
    pool = tokens * 2 * channels * channels + channels * channels + 2 * tokens * channels
    return macs + pool + channels * embed_dim


def macs_of(directory):
    """Of one picture, as ken computes it."""
    if (directory / "config.json").exists():
        config = json.loads((directory / "config.json").read_text())
        vision, is_clip = config["vision_config"], config["model_type"] == "clip"
        projection = vision["hidden_size"] * config.get("projection_dim", 0) if is_clip else 0
        return vit_macs(vision, is_clip) + projection
    config = json.loads((directory / "open_clip_config.json").read_text())["model_cfg"]
    return resnet_macs(config["vision_cfg"], config["embed_dim"])


def start(arguments, names):
    """{(model, precision): its engine}; all models fit into memory."""
    found = {}
    for name in names:
        directory = engines.make_model(arguments.work, name)
        measure.say(f"starting {name}")
        for engine in engines.ken_engines(arguments, "image", directory, arguments.precisions):
            found[name, engine.name] = engine
    return found


def run_rounds(started, macs, rounds, threads):
    """{precision: {"model, threads": [10^9 multiply-adds a second, one a round]}}."""
    rates = {}
    for number in range(-1, rounds):
        measure.say(f"round {number + 1} of {rounds}" if number >= 0 else "warming up")
        for (name, ours), engine in started.items():
            for count in threads:
                batch = BATCHES[name]
                seconds = statistics.median(engine.run(batch, count, 2 if name == BASE else 1))
                if number >= 0:
                    rate = macs[name] * batch / seconds / 1e9
                    rates.setdefault(ours, {}).setdefault(f"{name}, {count}", []).append(rate)
    return rates


def efficiencies(rates):
    """The same keys; medians of the ratios to ViT-B/32 on as many threads in the same round."""
    found = {}
    for ours, settings in rates.items():
        found[ours] = {}
        for setting, values in settings.items():
            base = settings[f"{BASE}, {setting.split(', ')[1]}"]
            found[ours][setting] = statistics.median(a / b for a, b in zip(values, base))
    return found


def print_models(result):
    print(f"{'':18}" + "".join(f"{name:>22}" for name in result["gmacs_per_second"]))
    for setting in next(iter(result["gmacs_per_second"].values())):
        cells = ""
        for name, rates in result["gmacs_per_second"].items():
            efficiency = result["efficiency"][name][setting]
            cells += f"{rates[setting]:12.1f}  ({efficiency:4.0%})  "
        print(f"{setting:18}{cells}")


def main():
    arguments = measure.arguments(
        __doc__,
        rounds=5,
        models=dict(type=engines.comma_list, default=list(BATCHES), metavar="NAME,.."),
        precisions=dict(type=engines.comma_list, default=["f32", "s16", "int8"], metavar="P,.."),
        threads=dict(type=engines.comma_list, default=["1", "2"], metavar="N,.."),
    )
    names = [BASE] + [name for name in arguments.models if name != BASE]
    result = measure.head("models", measure.tier(arguments))
    started = start(arguments, names)
    macs = {name: macs_of(arguments.work / "models" / name) for name in names}
    threads = [int(count) for count in arguments.threads]
    rates = run_rounds(started, macs, arguments.rounds, threads)
    for engine in started.values():
        engine.close()
    result |= {
        "rounds": arguments.rounds,
        "batches": {name: BATCHES[name] for name in names},
        "gmacs_an_image": {name: macs[name] / 1e9 for name in names},
        "gmacs_per_second": measure.medians(rates),
        "efficiency": efficiencies(rates),
        "rounds_gmacs_per_second": rates,
    }
    measure.print_machine(result)
    print("10^9 multiply-adds a second by model and threads (share of ViT-B/32's)")
    print_models(result)
    measure.save(result, arguments.results)


if __name__ == "__main__":
    main()
