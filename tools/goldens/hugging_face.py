"""Checkpoints as transformers' save_pretrained writes them: CLIP, SigLIP, SigLIP 2 (fixed size)."""

import json

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from . import tokenizer_files
from .capture import Trace, normalise, unit_length
from .weights import randomize

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def clip_config(vision, text, projection_dim, **extra):
    vocab_size = len(tokenizer_files.clip_vocabulary())
    text = dict(vocab_size=vocab_size, bos_token_id=vocab_size - 2, eos_token_id=vocab_size - 1,
                pad_token_id=vocab_size - 1, projection_dim=projection_dim) | text
    vision = dict(projection_dim=projection_dim) | vision
    return CLIPConfig(vision_config=vision, text_config=text, projection_dim=projection_dim, **extra)


def trace_layers(trace, model):
    for tower in ("vision", "text"):
        tower_model = getattr(model, f"{tower}_model")
        trace.hook(tower_model.embeddings, f"{tower}.embeddings")
        for index, layer in enumerate(tower_model.encoder.layers):
            trace.hook(layer, f"{tower}.blocks.{index}")


def clip(config, seed, dtype=torch.float32):
    model = CLIPModel(config)
    model = randomize(model, seed).to(dtype)

    def run(pixels, ids):
        trace = Trace()
        reference = model.double()
        trace_layers(trace, reference)
        trace.hook(reference.vision_model.pre_layrnorm, "vision.ln_pre")
        trace.hook(reference.vision_model.post_layernorm, "vision.pooled")
        trace.hook(reference.text_model, "text.pooled", lambda output: output.pooler_output)
        trace.hook(reference.visual_projection, "vision.embedding")
        trace.hook(reference.text_projection, "text.embedding")
        outputs = reference(input_ids=torch.from_numpy(ids).long(),
                            pixel_values=normalise(pixels, CLIP_MEAN, CLIP_STD))
        trace.tensors["image_embeddings"] = outputs.image_embeds
        trace.tensors["text_embeddings"] = outputs.text_embeds
        return trace.tensors, {"logit_scale": reference.logit_scale.exp().item()}

    return model, run


def siglip(config, seed):
    model = randomize(SiglipModel(config), seed)

    def run(pixels, ids):
        trace = Trace()
        reference = model.double()
        trace_layers(trace, reference)
        trace.hook(reference.vision_model.head, "vision.pooled")
        trace.hook(reference.vision_model.head, "vision.embedding")
        trace.hook(reference.text_model.final_layer_norm, "text.pooled", lambda x: x[:, -1])
        trace.hook(reference.text_model.head, "text.embedding")
        outputs = reference(input_ids=torch.from_numpy(ids).long(),
                            pixel_values=normalise(pixels, [0.5] * 3, [0.5] * 3))
        trace.tensors["image_embeddings"] = unit_length(trace.tensors["vision.embedding"])
        trace.tensors["text_embeddings"] = unit_length(trace.tensors["text.embedding"])
        torch.testing.assert_close(outputs.image_embeds, trace.tensors["image_embeddings"])
        return trace.tensors, {"logit_scale": reference.logit_scale.exp().item(),
                               "logit_bias": reference.logit_bias.item()}

    return model, run


def save_clip_processor(directory, size, combined):
    """preprocessor_config.json, or as a part of processor_config.json, which CLIPProcessor writes."""
    CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size},
                          image_mean=CLIP_MEAN, image_std=CLIP_STD).save_pretrained(directory)
    if combined:
        path = directory / "preprocessor_config.json"
        combined = {"image_processor": json.loads(path.read_text()), "processor_class": "CLIPProcessor"}
        (directory / "processor_config.json").write_text(json.dumps(combined, indent=2) + "\n")
        path.unlink()


def save_siglip_processor(directory, size):
    SiglipImageProcessorPil(size={"height": size, "width": size}).save_pretrained(directory)


def make_classic(directory, size):
    """Turns a directory into what transformers 4.2x wrote: bare sizes, position_ids as tensors,
    "torch_dtype", the "*_config_dict" copies."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    for tower in ("text", "vision"):
        name = f"{tower}_model.embeddings.position_embedding.weight"
        positions = torch.arange(tensors[name].shape[0]).unsqueeze(0)
        tensors[f"{tower}_model.embeddings.position_ids"] = positions
    save_file(tensors, path, metadata={"format": "pt"})
    config_path = directory / "config.json"
    config = json.loads(config_path.read_text())
    config["torch_dtype"] = config.pop("dtype")
    config["text_config_dict"] = None
    config["vision_config_dict"] = None
    config_path.write_text(json.dumps(config, indent=2) + "\n")
    (directory / "preprocessor_config.json").write_text(json.dumps({
        "crop_size": size, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD, "resample": 3, "size": size}, indent=2) + "\n")


def siglip_config(vision, text, **extra):
    return SiglipConfig(vision_config=vision, text_config=text, **extra)
