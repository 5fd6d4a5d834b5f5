#!/usr/bin/env python3
"""Writes tests/data/models: tiny random checkpoints of every family that ken loads, as a user would
have them, each with goldens.safetensors, the reference's activations in float64.

    python tools/make_model_goldens.py [--only NAME] [OUT]      (needs tools/requirements.txt)

Sizes are awkward on purpose: head widths of 10, 12 and 24, odd widths of the MLP, model widths that are
no multiple of 8, pictures that patches do not cover. The output does not depend on the machine beyond
the last bits of its float64 arithmetic.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import open_clip
import safetensors
import torch
import transformers

from goldens import capture, hugging_face, openclip, tokenizer_files

BATCH = 3
# One entry: the order of several would change from run to run.
VERSIONS = {"made_by": "tools/make_model_goldens.py with " + ", ".join(
    f"{module.__name__} {module.__version__}"
    for module in (torch, transformers, open_clip, safetensors, np))}


def make_pixels(generator, height, width, batch=BATCH):
    return generator.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)


def make_ids(generator, context_length, first, end, pad, begin=None, low=3, batch=BATCH):
    """Texts of the whole context, of few and of some tokens; ids are random in [low, first)."""
    lengths = [context_length, 3, context_length // 2 + 1][:batch]
    ids = np.full((batch, context_length), pad, dtype=np.int32)
    for row, length in zip(ids, lengths):
        row[:length] = generator.integers(low, first, length)
        row[length - 1] = end
        if begin is not None:
            row[0] = begin
    return ids, np.array(lengths, dtype=np.int32)


def text_rows(lengths, context_length, causal, pool):
    """How many tokens of each text matter, and which one is pooled: input.n_tokens, input.pooled."""
    pooled = {"end": lengths - 1, "first": 0 * lengths, "last": 0 * lengths + context_length - 1}[pool]
    n_tokens = lengths if causal and pool == "end" else 0 * lengths + context_length
    return {"n_tokens": n_tokens.astype(np.int32), "pooled": pooled.astype(np.int32)}


# ---- transformers -------------------------------------------------------------------------------

def clip_vision(width, heads, mlp, image_size, patch_size, **extra):
    return dict(hidden_size=width, num_attention_heads=heads, intermediate_size=mlp,
                num_hidden_layers=2, image_size=image_size, patch_size=patch_size) | extra


def clip_text(width, heads, mlp, context_length, **extra):
    return dict(hidden_size=width, num_attention_heads=heads, intermediate_size=mlp,
                num_hidden_layers=2, max_position_embeddings=context_length) | extra


HF_CLIP = {
    "hf_clip_quick_gelu": dict(
        vision=clip_vision(20, 2, 51, 30, 7), text=clip_text(24, 2, 37, 12), projection_dim=18),
    "hf_clip_gelu": dict(
        vision=clip_vision(28, 2, 33, 20, 5, hidden_act="gelu", layer_norm_eps=1e-6),
        text=clip_text(20, 2, 35, 9, hidden_act="gelu", layer_norm_eps=1e-6), projection_dim=33),
    "hf_clip_legacy_eos": dict(
        vision=clip_vision(24, 1, 27, 15, 5),
        text=clip_text(20, 1, 33, 11, eos_token_id=2, bos_token_id=0, pad_token_id=1),
        projection_dim=16),
    "hf_clip_sharded": dict(
        vision=clip_vision(20, 2, 35, 18, 6), text=clip_text(20, 2, 35, 10), projection_dim=24,
        save=dict(max_shard_size="30KB")),
    "hf_clip_f16": dict(
        vision=clip_vision(30, 3, 51, 20, 5), text=clip_text(24, 1, 51, 12), projection_dim=7,
        dtype=torch.float16),
    "hf_clip_bf16": dict(
        vision=clip_vision(48, 2, 51, 12, 4), text=clip_text(20, 1, 51, 12), projection_dim=52,
        dtype=torch.bfloat16),
    "hf_clip_classic": dict(
        vision=clip_vision(20, 1, 51, 24, 6), text=clip_text(20, 2, 37, 12), projection_dim=20),
}


def make_hf_clip(name, out, seed):
    case = dict(HF_CLIP[name])
    save, dtype = case.pop("save", {}), case.pop("dtype", torch.float32)
    config = hugging_face.clip_config(**case)
    model, run = hugging_face.clip(config, seed, dtype)
    model.save_pretrained(out, **save)
    size, context_length = config.vision_config.image_size, config.text_config.max_position_embeddings
    if name == "hf_clip_classic":
        hugging_face.make_classic(out, size)
        tokenizer_files.save_clip_classic(out)
    else:
        hugging_face.save_clip_processor(out, size, combined=name == "hf_clip_f16")
        tokenizer_files.save_clip(out, context_length)

    generator = np.random.default_rng(seed)
    end = len(tokenizer_files.clip_vocabulary()) - 1
    ids, lengths = make_ids(generator, context_length, end - 1, end, pad=end, begin=end - 1)
    pixels = make_pixels(generator, size, size)
    tensors, scalars = run(pixels, ids)
    rows = text_rows(lengths, context_length, causal=True, pool="end")
    capture.write(out / "goldens.safetensors", {"pixels": pixels, "ids": ids} | rows, tensors, scalars,
                  VERSIONS)


SIGLIP = {
    "hf_siglip": dict(
        vision=clip_vision(20, 2, 51, 30, 7), text=clip_text(20, 2, 37, 16, vocab_size=60)),
    "hf_siglip2": dict(
        vision=clip_vision(28, 2, 33, 15, 5),
        text=clip_text(20, 1, 33, 12, vocab_size=60, projection_size=28,
                       bos_token_id=2, eos_token_id=1, pad_token_id=0)),
}


def make_hf_siglip(name, out, seed):
    config = hugging_face.siglip_config(**SIGLIP[name])
    model, run = hugging_face.siglip(config, seed)
    model.save_pretrained(out)
    size, text = config.vision_config.image_size, config.text_config
    hugging_face.save_siglip_processor(out, size)
    save_tokenizer = tokenizer_files.save_siglip if name == "hf_siglip" else tokenizer_files.save_siglip2
    save_tokenizer(out, text.max_position_embeddings, text.vocab_size)

    generator = np.random.default_rng(seed)
    pad = 1 if name == "hf_siglip" else 0
    ids, lengths = make_ids(generator, text.max_position_embeddings, text.vocab_size, 1, pad=pad)
    pixels = make_pixels(generator, size, size)
    tensors, scalars = run(pixels, ids)
    rows = text_rows(lengths, text.max_position_embeddings, causal=False, pool="last")
    capture.write(out / "goldens.safetensors", {"pixels": pixels, "ids": ids} | rows, tensors, scalars,
                  VERSIONS)


# ---- OpenCLIP -----------------------------------------------------------------------------------

def vit(width, head_width, image_size, patch_size, **extra):
    return dict(layers=2, width=width, head_width=head_width, image_size=image_size,
                patch_size=patch_size) | extra


def text(width, heads, context_length, **extra):
    vocab_size = len(tokenizer_files.clip_vocabulary())
    return dict(context_length=context_length, vocab_size=vocab_size, width=width,
                heads=heads, layers=2) | extra


OPEN_CLIP = {
    "open_clip_vit": dict(
        embed_dim=22, vision_cfg=vit(20, 10, 30, 7), text_cfg=text(20, 2, 12, mlp_ratio=2.05)),
    "open_clip_vit_quick_gelu": dict(
        embed_dim=17, quick_gelu=True, vision_cfg=vit(24, 24, 32, 8, mlp_ratio=2.55),
        text_cfg=text(20, 2, 12, mlp_ratio=1.75)),
    "open_clip_vit_rectangle": dict(
        embed_dim=24, vision_cfg=vit(36, 12, [21, 30], 7, mlp_ratio=2), text_cfg=text(20, 4, 10)),
    "open_clip_vit_avg": dict(
        embed_dim=20, vision_cfg=vit(20, 10, 24, 6, pool_type="avg", mlp_ratio=2.05, patch_dropout=0.5),
        text_cfg=text(20, 1, 12, mlp_ratio=1.55, pool_type="last")),
    "open_clip_vit_avg_ln_after": dict(
        embed_dim=20,
        vision_cfg=vit(24, 12, 24, 8, pool_type="avg", final_ln_after_pool=True,
                       pos_embed_type="sin_cos_2d"),
        text_cfg=text(20, 2, 12, pool_type="eos", eos_id=88, pad_id=1)),
    "open_clip_vit_layer_scale": dict(
        embed_dim=20, vision_cfg=vit(20, 10, 18, 6, ls_init_value=1e-4, no_ln_pre=True, mlp_ratio=2.05),
        text_cfg=text(20, 2, 12, ls_init_value=1e-4, mlp_ratio=2.05)),
    "open_clip_vit_custom_text": dict(
        embed_dim=28, custom_text=True, init_logit_bias=-10, nonscalar_logit_scale=True,
        vision_cfg=vit(24, 8, 24, 8, norm_kwargs={"eps": 1e-6}, act_kwargs={"approximate": "tanh"}),
        text_cfg=text(20, 2, 12, no_causal_mask=True, pool_type="last", proj_bias=True,
                      norm_kwargs={"eps": 1e-6}, act_kwargs={"approximate": "tanh"})),
    "open_clip_vit_text_first": dict(
        embed_dim=20, custom_text=True, vision_cfg=vit(20, 10, 18, 6, mlp_ratio=2.05),
        text_cfg=text(20, 2, 9, mlp_ratio=2.05, no_causal_mask=True, pool_type="first", proj_type="none")),
    "open_clip_rn": dict(
        embed_dim=24, vision_cfg=dict(layers=[1, 1, 1, 1], width=2, head_width=16, image_size=64,
                                      patch_size=None),
        text_cfg=text(20, 2, 8)),
    "open_clip_rn_deep": dict(
        embed_dim=20, quick_gelu=True,
        vision_cfg=dict(layers=[2, 1, 2, 2], width=2, head_width=8, image_size=72, patch_size=None),
        text_cfg=text(20, 2, 8)),
    "open_clip_rn_odd_width": dict(
        embed_dim=19, vision_cfg=dict(layers=[1, 2, 1, 1], width=3, head_width=24, image_size=40,
                                      patch_size=None),
        text_cfg=text(20, 2, 8)),
}
OPEN_CLIP_PREPROCESS = {
    "open_clip_vit_custom_text": dict(mean=[0.5] * 3, std=[0.5] * 3, interpolation="bicubic",
                                      resize_mode="squash"),
    "open_clip_vit_avg": dict(interpolation="bilinear", resize_mode="longest", fill_color=127),
}
OPEN_CLIP_HALF = {
    "open_clip_vit_quick_gelu": torch.bfloat16,
    "open_clip_vit_rectangle": torch.float16,
    "open_clip_vit_avg_ln_after": torch.float16,
    "open_clip_vit_layer_scale": torch.float16,
    "open_clip_vit_custom_text": torch.float16,
    "open_clip_vit_text_first": torch.float16,
    "open_clip_rn": torch.float16,
    "open_clip_rn_deep": torch.float16,
    "open_clip_rn_odd_width": torch.float16,
}


def make_open_clip(name, out, seed):
    config = OPEN_CLIP[name]
    preprocess = OPEN_CLIP_PREPROCESS.get(name, dict(interpolation="bicubic", resize_mode="shortest"))
    model = openclip.build(config, seed, OPEN_CLIP_HALF.get(name, torch.float32))
    openclip.save(model, config, out, preprocess)

    text_cfg, image_size = config["text_cfg"], config["vision_cfg"]["image_size"]
    tokenizer_files.save_clip(out, text_cfg["context_length"])
    height, width = image_size if isinstance(image_size, list) else (image_size, image_size)
    is_resnet = name.startswith("open_clip_rn")
    generator = np.random.default_rng(seed)
    end = text_cfg.get("eos_id", text_cfg["vocab_size"] - 1)
    ids, lengths = make_ids(generator, text_cfg["context_length"], end - 1, end,
                            pad=text_cfg.get("pad_id", 0), begin=end - 1, batch=2 if is_resnet else BATCH)
    pixels = make_pixels(generator, height, width, 2 if is_resnet else BATCH)
    tensors, scalars = openclip.run(model, pixels, ids, preprocess)
    pool = text_cfg.get("pool_type", "argmax")
    rows = text_rows(lengths, text_cfg["context_length"], not text_cfg.get("no_causal_mask"),
                     pool if pool in ("first", "last") else "end")
    capture.write(out / "goldens.safetensors", {"pixels": pixels, "ids": ids} | rows, tensors, scalars,
                  VERSIONS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NAME", help="make one directory")
    parser.add_argument("out", nargs="?", type=Path,
                        default=Path(__file__).parent.parent / "tests/data/models")
    arguments = parser.parse_args()
    makers = [(HF_CLIP, make_hf_clip), (SIGLIP, make_hf_siglip), (OPEN_CLIP, make_open_clip)]
    jobs = [(name, make) for cases, make in makers for name in cases]
    for seed, (name, make) in enumerate(jobs):
        if arguments.only in (None, name):
            directory = arguments.out / name
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            make(name, directory, seed)
            size = sum(path.stat().st_size for path in directory.iterdir())
            print(f"{name:28} {size / 1000:6.1f} kB")


if __name__ == "__main__":
    main()
