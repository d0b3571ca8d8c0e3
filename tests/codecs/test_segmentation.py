"""The rule that tells photographs from screens."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from sccore.codecs.segmentation import BLOCK, natural_map, segmentation_loss
from sccore.data.images import read_image
from sccore.utils import paths


def test_noise_is_natural_and_what_repeats_is_not():
    torch.manual_seed(0)
    noise, flat = torch.rand(1, 3, 64, 64), torch.ones(1, 3, 64, 64)
    stripes = (torch.arange(64) % 2).float().expand(1, 3, 64, 64)  # repeats in one direction alone
    assert natural_map(noise).all() and not natural_map(flat).any() and not natural_map(stripes).any()
    both = natural_map(torch.cat([noise, flat], dim=3))
    assert both.shape == (1, 1, 4, 8) and both[..., :3].all() and not both[..., 5:].any()


@pytest.mark.parametrize("name", ["windows95", "terminal", "graph"])
def test_screens_are_synthetic(name):
    image = read_image(paths.SAMPLES / "images" / f"{name}.png")[:480, :640]
    x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
    assert natural_map(x[..., : x.shape[2] // BLOCK * BLOCK, : x.shape[3] // BLOCK * BLOCK]).mean() < 0.05


def test_loss_counts_bits():
    x = torch.rand(2, 3, 32, 48)
    right = (2 * interpolate(natural_map(x), scale_factor=BLOCK) - 1) * 20
    assert segmentation_loss(torch.zeros(2, 1, 32, 48), x).item() == pytest.approx(1)
    assert segmentation_loss(right, x) < 1e-4 and segmentation_loss(-right, x) > 20
