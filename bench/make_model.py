"""Makes a model with random weights that has the shape of a well-known one.

    make_model.py SHAPE DIRECTORY [--layers N]

vit-b-32 gets both towers and CLIP's tokenizer; the others, of which pictures are measured only, a
text tower of one narrow layer, and weights in half precision, since the width of what lies on the
disk does not count. CLIP and SigLIP are written as Hugging Face has them, rn50 as OpenCLIP.
"""

import argparse
import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, SiglipConfig, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

MERGES = 48894  # of the list, those that CLIP uses
NARROW = dict(num_hidden_layers=1, hidden_size=64, num_attention_heads=1, intermediate_size=64)


def clip_vision(patch_size, image_size, layers, width, heads):
    return dict(
        patch_size=patch_size,
        image_size=image_size,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )


CLIP = {
    "vit-b-32": clip_vision(32, 224, 12, 768, 12),
    "vit-b-16": clip_vision(16, 224, 12, 768, 12),
    "vit-l-14": clip_vision(14, 224, 24, 1024, 16),
    "vit-l-14-336": clip_vision(14, 336, 24, 1024, 16),
}
SIGLIP = {"so400m-14-384": clip_vision(14, 384, 27, 1152, 16) | dict(intermediate_size=4304)}
RN50 = dict(
    embed_dim=1024,
    quick_gelu=True,
    vision_cfg=dict(image_size=224, layers=[3, 4, 6, 3], width=64, patch_size=None),
    text_cfg=dict(context_length=77, vocab_size=49408, width=64, heads=1, layers=1),
)
SHAPES = [*CLIP, *SIGLIP, "rn50"]


def randomize(model):
    """Activations of the order of one, as trained weights give them."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "layrnorm" in name or "bn" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) / parameter[0].numel() ** 0.5)
    return model.eval()


def save_clip_tokenizer(directory):
    """CLIP's vocabulary and merges, from the list that OpenCLIP's package has."""
    path = Path(open_clip.__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1 : MERGES + 1]
    merges = [tuple(line.split()) for line in lines]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77).save_pretrained(directory)


def make_clip(vision, full_text, out):
    text = {} if full_text else NARROW
    if full_text:
        text = dict(bos_token_id=49406, eos_token_id=49407, pad_token_id=49407)
    model = randomize(CLIPModel(CLIPConfig(vision_config=vision, text_config=text)))
    if not full_text:
        model = model.half()
    model.save_pretrained(out)
    size = vision["image_size"]
    CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    ).save_pretrained(out)
    if full_text:
        save_clip_tokenizer(out)


def make_siglip(vision, out):
    text = NARROW | dict(projection_size=vision["hidden_size"])
    model = randomize(SiglipModel(SiglipConfig(vision_config=vision, text_config=text)))
    model.half().save_pretrained(out)
    size = vision["image_size"]
    SiglipImageProcessorPil(size={"height": size, "width": size}).save_pretrained(out)


def make_rn50(out):
    model = randomize(open_clip.model.CLIP(**RN50)).half()
    config = {
        "model_cfg": RN50,
        "preprocess_cfg": {
            "mean": list(open_clip.OPENAI_DATASET_MEAN),
            "std": list(open_clip.OPENAI_DATASET_STD),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, out / "open_clip_model.safetensors", metadata={"format": "pt"})


def make_inputs(out, image_size, n_images=16, n_texts=16, n_tokens=12):
    """pixels.bin: random 8-bit pictures. ids.bin: texts of 12 tokens, padded to 77."""
    generator = np.random.default_rng(0)
    shape = (n_images, image_size, image_size, 3)
    generator.integers(0, 256, shape, dtype=np.uint8).tofile(out / "pixels.bin")
    ids = np.full((n_texts, 77), 49407, np.int32)
    ids[:, 0] = 49406
    ids[:, 1 : n_tokens - 1] = generator.integers(320, 49406, (n_texts, n_tokens - 2))
    ids.tofile(out / "ids.bin")


def make(shape, layers, out):
    torch.manual_seed(0)
    fewer = {"num_hidden_layers": layers} if layers else {}
    if shape in CLIP:
        make_clip(CLIP[shape] | fewer, shape == "vit-b-32", out)
    elif shape in SIGLIP:
        make_siglip(SIGLIP[shape] | fewer, out)
    else:
        make_rn50(out)
    size = (CLIP | SIGLIP).get(shape, RN50["vision_cfg"])["image_size"]
    make_inputs(out, size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, help="of the image tower, instead of its own number")
    arguments = parser.parse_args()
    part = arguments.directory.with_name(arguments.directory.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    make(arguments.shape, arguments.layers, part)
    shutil.rmtree(arguments.directory, ignore_errors=True)
    os.rename(part, arguments.directory)


if __name__ == "__main__":
    main()
