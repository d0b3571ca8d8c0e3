"""Two synthesis transforms in training, one in use; the rule that tells photographs from screens."""

import numpy as np
import pytest
import torch
from models import lively
from torch.nn.functional import interpolate

from sccore.codecs.ms2020 import BLOCK, natural_map, segmentation_loss
from sccore.codecs.zoo import create_model, kmac_per_pixel
from sccore.data.images import read_image
from sccore.loss import rate_distortion
from sccore.utils import paths


def test_paper_preset_has_the_published_widths():
    model = create_model("ms2020", "paper")
    widths = lambda net: [layer.out_channels for layer in net if hasattr(layer, "out_channels")]
    assert widths(model.g_a) == [192, 192, 192, 320] and widths(model.g_s) == [192, 192, 192, 3]
    assert widths(model.h_a) == [320, 256, 192] and widths(model.h_mean_s) == widths(model.h_scale_s) == [192, 256, 320]
    assert all(widths(net) == [224, 128, 32] for net in (*model.cc_mean_transforms, *model.lrp_transforms))
    assert model.lrp_transforms[9][0].in_channels == 320 + 6 * 32


def test_segmentation_is_of_training_alone_and_teaches_the_encoder():
    model, x = lively("ms2020", rate="variable"), torch.rand(2, 3, 64, 64)
    lmbda = torch.tensor([0.0018, 0.025])
    assert "segmentation" not in model(x, lmbda=lmbda)
    output = model.train()(x, lmbda=lmbda)
    assert output["segmentation"].shape == (2, 1, 64, 64)
    with_task = rate_distortion(output, x, None, lmbda)
    del output["task"]
    task = with_task["loss"] - rate_distortion(output, x, None, lmbda)["loss"]
    task.backward()
    assert model.g_seg[0].weight.grad.abs().sum() > 0 and model.g_a[0].weight.grad.abs().sum() > 0
    assert model.g_s[0].weight.grad is None or not model.g_s[0].weight.grad.any()


def test_complexity_is_that_of_coding():
    model = create_model("ms2020")
    before = kmac_per_pixel(model)
    model.g_seg = torch.nn.Identity()
    assert kmac_per_pixel(model) == before


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
