"""Fixed-point networks: near the float ones, and the same bits in any order of summation."""

import math

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import pytest
import torch
from compressai.layers import MaskedConv2d
from torch import nn

import sccore.fixed_point
from sccore.fixed_point import ACT, fixed_point, half_tanh, to_grid
from sccore.layers import conv_chain


def on_grid(x):
    return torch.equal((x * ACT).round() / ACT, x)


def test_grid():
    x = to_grid(torch.tensor([0.0, 1 / ACT, 0.4 / ACT, 1e9, -1e9]))
    assert x.tolist() == [0, 1 / ACT, 0, sccore.fixed_point.LIMIT, -sccore.fixed_point.LIMIT]


@pytest.mark.parametrize("x", [-100.0, -8.0, -3.25, 0.0, 0.5, 7.75, 8.0, 300.0])
def test_tables_agree_with_the_functions(x):
    t = torch.tensor([x], dtype=torch.float64)
    assert abs(sccore.fixed_point.GELU()(t).item() - 0.5 * x * (1 + math.erf(x / math.sqrt(2)))) <= 0.5 / ACT
    assert abs(half_tanh(t).item() - 0.5 * math.tanh(x)) <= 0.5 / ACT


@pytest.mark.parametrize(
    "name, function", [("gelu", lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2), ("half_tanh", lambda v: math.tanh(v) / 2)]
)
def test_tables_are_the_same_on_every_machine(name, function):
    """Libraries for erf and tanh differ by some 1e-12 of a step at most; no value is that near to the middle between two steps."""
    steps = int(sccore.fixed_point.TABLE * ACT)
    exact = [function(i / ACT) * ACT for i in range(-steps, steps)]
    assert min(abs(value - math.floor(value) - 0.5) for value in exact) > 1e-9
    assert sccore.fixed_point._table(name, torch.device("cpu")).mul(ACT).tolist() == [round(value) for value in exact]


def test_copy_is_near_the_float_network_and_on_the_grid():
    torch.manual_seed(0)
    net, x = conv_chain(12, 16, 8, 4), torch.randn(1, 12, 9, 7)
    out = fixed_point(net)(to_grid(x))
    assert on_grid(out) and out.dtype == torch.float64
    assert (out - net(to_grid(x).float())).abs().max() < 4 / ACT


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.ConvTranspose2d(6, 5, 5, stride=2, padding=2, output_padding=1), nn.ReLU(), nn.Conv2d(5, 3, 5)),
        nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.LeakyReLU(), nn.PixelShuffle(2), nn.Conv2d(2, 3, 1)),
    ],
)
def test_layers_of_the_other_codecs_have_copies(net):
    torch.manual_seed(0)
    x = to_grid(torch.randn(2, 6, 7, 9))
    out = fixed_point(net)(x)
    assert on_grid(out) and (out - net(x.float())).abs().max() < 4 / ACT


@pytest.mark.parametrize("kernel, padding, size", [(1, 0, (1, 1)), (3, 1, (40, 60)), (5, 2, (7, 3)), (5, 0, (5, 5)), (3, 0, (9, 4))])
def test_products_are_torchs_convolution(kernel, padding, size):
    """In blocks and batches, and with values at which GELU is beyond its table."""
    torch.manual_seed(0)
    conv, x = nn.Conv2d(6, 5, kernel, padding=padding), to_grid(20 * torch.randn(3, 6, *size))
    exact = fixed_point(conv)
    sums = nn.functional.conv2d(x, exact.weight, exact.bias, padding=padding)
    assert torch.equal(exact(x), to_grid(sums))
    assert torch.equal(fixed_point(nn.Sequential(conv, nn.GELU()))(x), sccore.fixed_point.GELU()(to_grid(sums)))


def test_gelu_is_its_table_and_beyond_it_its_argument():
    x = torch.arange(-40000, 40000, dtype=torch.float64) / ACT
    table = [0.0] * (40000 - 32768) + sccore.fixed_point._table("gelu", x.device).tolist() + x[40000 + 32768 :].tolist()
    assert torch.equal(sccore.fixed_point.GELU()(x), torch.tensor(table, dtype=torch.float64))


def test_any_order_of_summation_gives_the_same_bits():
    """Input channels permuted, and summed in parts: float32 convolutions differ, fixed-point ones do not."""
    torch.manual_seed(0)
    conv, x = nn.Conv2d(64, 8, 3, padding=1), to_grid(100 * torch.randn(1, 64, 16, 16))
    order = torch.randperm(64)
    shuffled = nn.Conv2d(64, 8, 3, padding=1)
    shuffled.load_state_dict({"weight": conv.weight[:, order], "bias": conv.bias})
    assert not torch.equal(conv(x.float()), shuffled(x[:, order].float()))
    assert torch.equal(fixed_point(conv)(x), fixed_point(shuffled)(x[:, order]))


def test_weights_that_could_lose_bits_are_refused():
    conv = nn.Conv2d(1, 1, 1)
    for bad in (1e5, float("nan")):
        nn.init.constant_(conv.weight, bad)
        with pytest.raises(OverflowError, match="exact"):
            fixed_point(conv)
    with pytest.raises(TypeError, match="Tanh"):
        fixed_point(nn.Tanh())


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(2, 2, 3, padding=1, dilation=2),
        nn.Conv2d(2, 2, 3, padding="same"),
        nn.Conv2d(2, 2, 3, groups=2),
        nn.ConvTranspose2d(2, 2, 3, groups=2),
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.SiLU()),
    ],
)
def test_layers_that_would_be_computed_otherwise_are_refused(layer):
    with pytest.raises(TypeError, match="no fixed-point form of"):
        fixed_point(layer)


def test_no_bias_is_a_bias_of_zero_and_gelu_may_come_first():
    net, x = nn.Sequential(nn.GELU(), nn.Conv2d(3, 4, 3, padding=1, bias=False)), to_grid(torch.randn(1, 3, 9, 9))
    assert torch.allclose(fixed_point(net)(x).float(), net(x.float()), atol=2e-3)


def test_a_masked_convolution_is_masked_before_it_has_run():
    conv, x = MaskedConv2d(3, 4, 3, padding=1), to_grid(torch.randn(1, 3, 9, 9))
    exact = fixed_point(conv)(x)  # its forward puts zeros into the weights
    assert torch.allclose(exact.float(), conv(x.float()), atol=2e-3) and (conv.weight[:, :, 2] == 0).all()
