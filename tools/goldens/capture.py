"""Runs a reference model in float64 with hooks and collects the activations that ken traces.

The names are those of docs/models/. Inputs are 8-bit pixels, normalised through float32 as the
references do, and token ids.
"""

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

torch.backends.mha.set_fastpath_enabled(False)  # the fused path bypasses hooks


class Trace:
    """Outputs of modules, by name."""

    def __init__(self):
        self.tensors = {}

    def hook(self, module, name, pick=lambda output: output):
        def keep(_module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            self.tensors[name] = pick(output)

        return module.register_forward_hook(keep)


def nhwc(activation):
    return activation.permute(0, 2, 3, 1)


def normalise(pixels, mean, std):
    """[B, H, W, 3] 8-bit -> [B, 3, H, W] float64 that went through float32."""
    unit = (pixels.astype(np.float64) / 255).astype(np.float32)
    values = (unit - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float64))


def unit_length(embedding):
    return F.normalize(embedding, dim=-1)


def write(path, inputs, tensors, scalars, versions):
    """`inputs` keep their type; activations are stored as float32."""
    arrays = {f"input.{name}": np.ascontiguousarray(array) for name, array in inputs.items()}
    for name, activation in tensors.items():
        values = activation.detach().to(torch.float64).numpy()
        assert np.isfinite(values).all(), f"{path}: {name} is not finite"
        assert values.std() > 0.01 and abs(values).max() < 100, f"{path}: {name} is not healthy"
        arrays[name] = np.ascontiguousarray(values.astype(np.float32))
    for name, value in scalars.items():
        arrays[name] = np.array([value], dtype=np.float32)
    save_file(arrays, path, metadata=versions)
    path.chmod(0o644)
