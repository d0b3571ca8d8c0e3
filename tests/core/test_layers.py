"""Layers that all transforms are made of."""

import pytest
import torch

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from compressai.layers import conv3x3
from torch import nn

from sccore.attention import SwinAttention
from sccore.codecs.zoo import create_model
from sccore.layers import GELU, conv, conv_chain, deconv, keep_variance


@pytest.mark.parametrize("size", [16, 64, 130])
def test_convolutions_change_the_size_exactly(size):
    x = torch.randn(1, 3, size, size + 2)
    assert conv(3, 4)(x).shape == (1, 4, size // 2, size // 2 + 1)
    assert deconv(3, 4)(x).shape == (1, 4, 2 * size, 2 * size + 4) == deconv(3, 4, kernel=3)(x).shape
    assert [type(layer) for layer in conv_chain(3, 5, 7)] == [nn.Conv2d, GELU, nn.Conv2d]


@pytest.mark.parametrize("dtype, rounding", [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("shape", [(2, 5, 6, 7), (1, 1, 4, 4), (3, 8, 1, 1), (4, 9)])
def test_gelu_is_the_same_in_both_layouts(shape, dtype, rounding):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    exact = values.double().requires_grad_()
    nn.functional.gelu(exact).square().sum().backward()
    for layout in (torch.contiguous_format, torch.channels_last)[: len(shape) - 2 or 1]:
        x = values.clone(memory_format=layout).requires_grad_()
        y = GELU()(x)
        y.square().sum().backward()
        assert y.is_contiguous(memory_format=layout) and y.dtype == dtype
        assert torch.allclose(y.double(), nn.functional.gelu(exact), atol=rounding)
        assert torch.allclose(x.grad.double(), exact.grad, rtol=4 * rounding, atol=4 * rounding)


@pytest.mark.parametrize("name", ["wacnn", "sftip"])
def test_no_other_gelu_is_in_a_model(name):
    kinds = {type(module) for module in create_model(name).modules() if isinstance(module, nn.GELU)}
    assert kinds == {GELU}


def test_position_bias_by_a_product_is_that_by_an_index():
    attention = SwinAttention(8, heads=2, window=4, shift=2)
    bias = attention.bias()
    assert torch.equal(bias, attention.by_product())
    weight = torch.randn(bias.shape)
    gradients = [torch.autograd.grad((b * weight).sum(), attention.relative_position_bias_table)[0] for b in (bias, attention.by_product())]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("height, width", [(4, 4), (8, 4), (4, 12), (16, 8)])
def test_window_attention_is_torchvisions_to_the_last_bit(height, width):
    import sccore.utils.torchvision_ops  # noqa: F401

    # isort: split
    from torchvision.models.swin_transformer import ShiftedWindowAttention

    theirs = ShiftedWindowAttention(8, [4, 4], [2, 2], 2)
    ours = SwinAttention(8, heads=2, window=4, shift=2)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, height, width, 8)
    assert torch.equal(ours(x), theirs(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("make", [conv, deconv, conv3x3])
@torch.no_grad()
def test_a_start_doubles_the_variance_which_a_rectifier_halves(make):
    torch.manual_seed(0)
    keep_variance(layer := make(32, 64))
    assert layer(torch.randn(4, 32, 48, 48))[..., 4:-4, 4:-4].square().mean() == pytest.approx(2, rel=0.05)
