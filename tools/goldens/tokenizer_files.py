"""Tokenizer files small enough for tiny checkpoints, in the layouts that real directories have."""

import io
import json

import sentencepiece
from transformers import CLIPTokenizer, SiglipTokenizer, Siglip2Tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'!-"
CLIP_MERGES = [("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>"), ("p", "h"), ("o", "f</w>")]
SENTENCES = [
    "a photo of a cat", "a photo of a dog", "two red apples on a table", "a long dress on a hanger",
    "the quick brown fox jumps over the lazy dog", "a carton of milk and a box of pears",
]


def clip_vocabulary():
    tokens = list(LETTERS) + [letter + "</w>" for letter in LETTERS]
    tokens += [left + right for left, right in CLIP_MERGES]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}


def save_clip(directory, context_length):
    """tokenizer.json as transformers 5 writes it."""
    tokenizer = CLIPTokenizer(vocab=clip_vocabulary(), merges=CLIP_MERGES,
                              model_max_length=context_length)
    tokenizer.save_pretrained(directory)


def save_clip_classic(directory):
    """vocab.json and merges.txt, as directories before transformers 5 have them."""
    (directory / "vocab.json").write_text(json.dumps(clip_vocabulary()))
    lines = ["#version: 0.2"] + [f"{left} {right}" for left, right in CLIP_MERGES]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n")
    (directory / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "model_max_length": 77,
        "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}, indent=2) + "\n")


def save_siglip(directory, context_length, vocab_size):
    """spiece.model: SigLIP's ids of the special pieces, without its 240 KB of Unicode rules."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 4), model_writer=model, vocab_size=vocab_size,
        hard_vocab_limit=False, normalization_rule_name="identity", pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, num_threads=1, minloglevel=2)
    path = directory / "spiece.model"
    path.write_bytes(model.getvalue())
    SiglipTokenizer(vocab_file=str(path), model_max_length=context_length).save_pretrained(directory)


def save_siglip2(directory, context_length, vocab_size):
    """tokenizer.json of Gemma's kind: BPE with byte fallback, lower-casing."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    tokens += list("▁abcdefghijklmnopqrstuvwxyz0123456789.,")
    merges = [("▁", "a"), ("c", "a"), ("ca", "t"), ("d", "o"), ("do", "g"), ("o", "f")]
    tokens += [left + right for left, right in merges]
    assert len(tokens) <= vocab_size
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Siglip2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=context_length,
                                 padding_side="right")
    tokenizer.save_pretrained(directory)
