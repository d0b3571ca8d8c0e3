"""Small models for the tests."""

from dataclasses import replace

import torch

import sccore
from sccore.presets import PRESETS

NARROW = replace(
    PRESETS["companion"],
    stages=(8, 12, 16),
    M=80,
    hyper=(16, 14, 12, 10, 8),
    cc=(12, 10, 8),
    prior=8,
    hidden=8,
    stem=(8, 8),
    cheng=(16, 80),
    ms=16,
)  # with few weights, for tests of what is done with a model, whatever its size


def lively(name: str, seed: int = 0, **switches):
    """An untrained companion whose SEM sites act and whose latents take many values, unlike a freshly made one's."""
    torch.manual_seed(seed)
    model = sccore.create_model(name, **switches)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "affine" in key or "convs.1" in key:
                torch.nn.init.normal_(parameter, std=0.2)
        [layer for layer in model.g_a if isinstance(layer, torch.nn.Conv2d)][-1].weight.mul_(8)
    return model.eval()
