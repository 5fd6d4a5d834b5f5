"""Random weights under which activations stay of the order of one.

A freshly initialised model hides mistakes: its biases are 0, its layer norms are the identity and its
batch statistics are trivial. Here every parameter matters.
"""

import torch
from torch import nn


def randomize(model, seed):
    """Gives every parameter and buffer of `model` a value that a mistake would show up in."""
    generator = torch.Generator().manual_seed(seed)
    norms = (nn.LayerNorm, nn.BatchNorm2d)
    in_norm = {id(p) for m in model.modules() if isinstance(m, norms) for p in m.parameters()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(_scaled(name, parameter, noise, id(parameter) in in_norm))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                shape = module.running_mean.shape
                module.bias.add_(0.4)  # or the narrow layers' ReLUs would be dead
                module.running_mean.copy_(0.3 * torch.randn(shape, generator=generator))
                module.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
    return model.eval()


def _scaled(name, parameter, noise, in_norm):
    if name.endswith("logit_scale"):
        return 2.3 + 0.1 * noise
    if name.endswith("logit_bias"):
        return -5 + noise
    if in_norm:
        return (1 if name.endswith("weight") else 0) + 0.2 * noise
    if ".ls_" in name:  # layer scale: checkpoints hold about 1e-5 to 1, of either sign
        return 0.5 + 0.2 * noise
    if name.endswith("bias"):
        return 0.2 * noise
    if "embedding" in name and "patch" not in name or "probe" in name:
        return 0.7 * noise
    if name.endswith(("proj", "text_projection")) and parameter.ndim == 2:  # [in, out]
        return noise / parameter.shape[0] ** 0.5
    return noise / parameter[0].numel() ** 0.5
