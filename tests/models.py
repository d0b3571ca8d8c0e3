"""Small models for the tests."""

import torch

import sccore


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
