"""Brings a model of make_model.py into the peers' formats, in MODEL_DIR/peers.

    prepare.py MODEL_DIR

image.onnx and text.onnx, ONNX Runtime's dynamic int8 of both in four variants, OpenVINO's files and
NNCF's int8 of both, OpenCLIP's layout of the checkpoint and clip.cpp's of its image tower. What is there is not made again; a file
named `complete` says that all of it is.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
N_TOKENS = 12
INT8_VARIANTS = {
    "per-tensor": dict(per_channel=False, reduce_range=False),
    "per-tensor-reduced": dict(per_channel=False, reduce_range=True),
    "per-channel": dict(per_channel=True, reduce_range=False),
    "per-channel-reduced": dict(per_channel=True, reduce_range=True),
}


def read_pictures(path, size=224):
    """[N, 3, size, size], normalised."""
    pixels = np.fromfile(path, np.uint8).reshape(-1, size, size, 3)
    unit = pixels.astype(np.float32) / np.float32(255)
    normalised = (unit - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


def read_texts(path):
    """[N, 12] token ids, without padding."""
    return np.ascontiguousarray(np.fromfile(path, np.int32).reshape(-1, 77)[:, :N_TOKENS])


def make(path, write):
    """Writes a file unless it is there, so that one that is there is whole."""
    if path.exists():
        return
    print("making", path.name, file=sys.stderr, flush=True)
    part = path.with_name("part-" + path.name)
    write(part)
    os.replace(part, path)


# ---- ONNX --------------------------------------------------------------------------------------


def export_onnx(directory, peers):
    import torch
    from transformers import CLIPModel

    class Image(torch.nn.Module):
        def forward(self, pixels):
            pooled = model.vision_model(pixel_values=pixels).pooler_output
            return torch.nn.functional.normalize(model.visual_projection(pooled), dim=-1)

    class Text(torch.nn.Module):
        def forward(self, ids):
            pooled = model.text_model(input_ids=ids).pooler_output
            return torch.nn.functional.normalize(model.text_projection(pooled), dim=-1)

    def export(tower, example, name, axes, path):
        tower.model = model
        torch.onnx.export(
            tower.eval(), (example,), path, input_names=[name], output_names=["embedding"],
            opset_version=17, dynamic_axes={name: axes, "embedding": {0: "batch"}}, dynamo=False,
        )  # fmt: skip

    warnings.filterwarnings("ignore")
    model = CLIPModel.from_pretrained(directory).eval()
    pictures = torch.from_numpy(read_pictures(directory / "pixels.bin")[:2])
    ids = torch.from_numpy(read_texts(directory / "ids.bin")[:2])
    make(peers / "image.onnx", lambda to: export(Image(), pictures, "pixels", {0: "batch"}, to))
    make(
        peers / "text.onnx",
        lambda to: export(Text(), ids, "ids", {0: "batch", 1: "tokens"}, to),
    )


def quantize_onnx(peers, kind):
    """Only the products: ONNX Runtime's integer convolution is slower than its float one."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = peers / f"{kind}-ready.onnx"
    make(ready, lambda to: quant_pre_process(peers / f"{kind}.onnx", to, skip_symbolic_shape=True))
    for name, options in INT8_VARIANTS.items():
        make(
            peers / f"{kind}-{name}.onnx",
            lambda to, options=options: quantize_dynamic(
                ready, to, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, **options
            ),
        )


# ---- OpenVINO ----------------------------------------------------------------------------------


def convert_openvino(peers, kind, inputs):
    """`.xml` names what lies in `.bin`, so a complete pair has its `.xml` written last."""
    import nncf
    import openvino

    def write(model, path):
        if path.exists():
            return
        print("making", path.name, file=sys.stderr, flush=True)
        part = path.with_name("part-" + path.name)
        openvino.save_model(model, part, compress_to_fp16=False)
        os.replace(part.with_suffix(".bin"), path.with_suffix(".bin"))
        os.replace(part, path)

    if not (peers / f"{kind}.xml").exists():
        write(openvino.convert_model(peers / f"{kind}.onnx"), peers / f"{kind}.xml")
    if not (peers / f"{kind}-int8.xml").exists():
        items = [item[None] for item in inputs]
        quantized = nncf.quantize(
            openvino.Core().read_model(peers / f"{kind}.xml"),
            nncf.Dataset(items),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(items),
        )
        write(quantized, peers / f"{kind}-int8.xml")


# ---- OpenCLIP ----------------------------------------------------------------------------------

BLOCK_NAMES = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
CONFIG = dict(
    embed_dim=512,
    quick_gelu=True,
    vision_cfg=dict(image_size=224, layers=12, width=768, patch_size=32),
    text_cfg=dict(context_length=77, vocab_size=49408, width=512, heads=8, layers=12),
)


def tower_blocks(theirs, ours, n_layers, tensors, out):
    import torch

    for layer in range(n_layers):
        source = f"{theirs}.encoder.layers.{layer}."
        target = f"{ours}transformer.resblocks.{layer}."
        for part in ("weight", "bias"):
            names = [f"{source}self_attn.{letter}_proj.{part}" for letter in "qkv"]
            out[f"{target}attn.in_proj_{part}"] = torch.cat([tensors[name] for name in names])
            for to, of in BLOCK_NAMES.items():
                out[f"{target}{to}.{part}"] = tensors[f"{source}{of}.{part}"]


def to_open_clip(tensors):
    """OpenCLIP's names of a Hugging Face CLIP's tensors."""
    vision, text, out = "vision_model.", "text_model.", {}
    tower_blocks("vision_model", "visual.", 12, tensors, out)
    tower_blocks("text_model", "", 12, tensors, out)
    for part in ("weight", "bias"):
        out[f"visual.ln_pre.{part}"] = tensors[f"{vision}pre_layrnorm.{part}"]
        out[f"visual.ln_post.{part}"] = tensors[f"{vision}post_layernorm.{part}"]
        out[f"ln_final.{part}"] = tensors[f"{text}final_layer_norm.{part}"]
    embeddings = f"{vision}embeddings."
    out["visual.conv1.weight"] = tensors[f"{embeddings}patch_embedding.weight"]
    out["visual.class_embedding"] = tensors[f"{embeddings}class_embedding"]
    out["visual.positional_embedding"] = tensors[f"{embeddings}position_embedding.weight"]
    out["visual.proj"] = tensors["visual_projection.weight"].T.contiguous()
    out["token_embedding.weight"] = tensors[f"{text}embeddings.token_embedding.weight"]
    out["positional_embedding"] = tensors[f"{text}embeddings.position_embedding.weight"]
    out["text_projection"] = tensors["text_projection.weight"].T.contiguous()
    out["logit_scale"] = tensors["logit_scale"]
    return out


def convert_open_clip(directory, out):
    from safetensors.torch import load_file, save_file

    out.mkdir(exist_ok=True)
    preprocess = dict(mean=MEAN, std=STD, interpolation="bicubic", resize_mode="shortest")
    config = {"model_cfg": CONFIG, "preprocess_cfg": preprocess}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    make(
        out / "open_clip_model.safetensors",
        lambda to: save_file(to_open_clip(load_file(directory / "model.safetensors")), to),
    )


def convert_clip_cpp(directory, path):
    import clip_cpp_model
    from safetensors.numpy import load_file

    tensors = load_file(directory / "model.safetensors")
    make(path, lambda to: clip_cpp_model.write_gguf(tensors, MEAN, STD, to))


def main():
    directory = Path(sys.argv[1])
    peers = directory / "peers"
    peers.mkdir(exist_ok=True)
    if not (peers / "text.onnx").exists():
        export_onnx(directory, peers)
    convert_open_clip(directory, peers / "open-clip")
    convert_clip_cpp(directory, peers / "image.gguf")
    inputs = {
        "image": read_pictures(directory / "pixels.bin"),
        "text": read_texts(directory / "ids.bin"),
    }
    for kind, items in inputs.items():
        quantize_onnx(peers, kind)
        convert_openvino(peers, kind, items)
    (peers / "complete").touch()


if __name__ == "__main__":
    main()
