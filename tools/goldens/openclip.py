"""Checkpoints in OpenCLIP's layout: open_clip_config.json and open_clip_model.safetensors."""

import copy
import json

import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file

from .capture import Trace, nhwc, normalise, unit_length
from .weights import randomize

MEAN, STD = list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD)


def build(model_cfg, seed, dtype=torch.float32):
    """`model_cfg` is what open_clip_config.json holds."""
    arguments = copy.deepcopy(model_cfg)
    kind = CustomTextCLIP if arguments.pop("custom_text", False) else CLIP
    return randomize(kind(**arguments), seed).to(dtype)


def save(model, model_cfg, directory, preprocess):
    preprocess = {"mean": MEAN, "std": STD} | preprocess
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    (directory / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, directory / "open_clip_model.safetensors", metadata={"format": "pt"})


def trace_vit(trace, visual):
    """The class token and positions are added between modules: what enters the first module after
    them is the embedding. Dropping ln_pre leaves an identity there."""
    def keep_input(_module, inputs):
        trace.tensors["vision.embeddings"] = inputs[0]

    visual.ln_pre.register_forward_pre_hook(keep_input)
    if not isinstance(visual.ln_pre, torch.nn.Identity):
        trace.hook(visual.ln_pre, "vision.ln_pre")
    for index, block in enumerate(visual.transformer.resblocks):
        trace.hook(block, f"vision.blocks.{index}")


def trace_resnet(trace, visual):
    trace.hook(visual.avgpool, "vision.stem", nhwc)
    for stage in range(1, 5):
        for index, block in enumerate(getattr(visual, f"layer{stage}")):
            trace.hook(block, f"vision.layer{stage}.{index}", nhwc)


def trace_text(trace, text):
    def keep_input(_module, inputs):
        trace.tensors["text.embeddings"] = inputs[0]

    text.transformer.resblocks[0].register_forward_pre_hook(keep_input)
    for index, block in enumerate(text.transformer.resblocks):
        trace.hook(block, f"text.blocks.{index}")
    trace.hook(text.ln_final, "text.hidden")


def pooled_text(model, hidden, ids):
    text = getattr(model, "text", model)
    kind = text.pool_type if text is not model else model.text_pool_type
    eos_id = text.eos_id if text is not model else model.text_eos_id
    return open_clip.transformer.text_global_pool(hidden, ids, kind, eos_token_id=eos_id)


def run(model, pixels, ids, preprocess):
    trace = Trace()
    reference = model.double()
    is_resnet = isinstance(reference.visual, open_clip.modified_resnet.ModifiedResNet)
    (trace_resnet if is_resnet else trace_vit)(trace, reference.visual)
    trace_text(trace, getattr(reference, "text", reference))
    images = normalise(pixels, preprocess.get("mean", MEAN), preprocess.get("std", STD))
    tensors, ids = trace.tensors, torch.from_numpy(ids).long()
    tensors["vision.embedding"] = reference.encode_image(images)
    if not is_resnet:
        last = f"vision.blocks.{len(reference.visual.transformer.resblocks) - 1}"
        tensors["vision.pooled"] = reference.visual._pool(tensors[last])[0]
    tensors["text.embedding"] = reference.encode_text(ids)
    tensors["text.pooled"] = pooled_text(reference, tensors.pop("text.hidden"), ids)
    tensors["image_embeddings"] = unit_length(tensors["vision.embedding"])
    tensors["text_embeddings"] = unit_length(tensors["text.embedding"])
    scalars = {"logit_scale": reference.logit_scale.exp().item()}
    if reference.logit_bias is not None:
        scalars["logit_bias"] = reference.logit_bias.item()
    return tensors, scalars
