"""Arithmetic that gives the same bits on every machine, for the networks that drive the entropy coder.

A decoder must compute exactly the distributions that the encoder used; one differing bit and the rest of the stream is
noise. Float sums depend on their order, hence on thread count and device. Here weights are multiples of 2^-16 and
activations multiples of 2^-12, held in float64: every product and every partial sum is a multiple of 2^-28 below 2^25,
which float64 represents without rounding, so the order of summation cannot matter. The bound is checked when a layer
is built. Nonlinearities are looked up in tables over the same grid.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACT = 2.0**12  # activations are multiples of 1/ACT
WEIGHT = 2.0**16  # weights are multiples of 1/WEIGHT
LIMIT = 2.0**12  # activations are clamped to +-LIMIT
EXACT = 2.0**53 / (ACT * WEIGHT)  # partial sums below this are exact
TABLE = 8.0  # nonlinearities are tabulated on [-8, 8); beyond, they are at their asymptotes


def to_grid(x: Tensor) -> Tensor:
    """float64 copy of x, rounded to multiples of 1/ACT and clamped to +-LIMIT."""
    return (x.double() * ACT).round_().div_(ACT).clamp_(-LIMIT, LIMIT)


@lru_cache
def _table(name: str) -> Tensor:
    function = {"gelu": lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))), "half_tanh": lambda v: 0.5 * math.tanh(v)}[name]
    steps = int(TABLE * ACT)
    return torch.tensor([round(function(i / ACT) * ACT) / ACT for i in range(-steps, steps)], dtype=torch.float64)


def _lookup(name: str, x: Tensor) -> Tensor:
    table = _table(name).to(x.device)
    return table[(x * ACT).long().add_(int(TABLE * ACT)).clamp_(0, len(table) - 1)]


class GELU(nn.Module):
    """GELU of grid values, on the grid."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= TABLE, x, _lookup("gelu", x))


def half_tanh(x: Tensor) -> Tensor:
    """tanh(x) / 2 of grid values, on the grid."""
    return _lookup("half_tanh", x)


class LeakyReLU(nn.Module):
    """Leaky ReLU of grid values, on the grid; with slope 0 it is ReLU."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, to_grid(x * self.slope))


class Convolution(nn.Module):
    """A convolution of grid values, transposed or not, whose every sum is exact, rounded back to the grid."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d):
        super().__init__()
        transposed = isinstance(conv, nn.ConvTranspose2d)
        self.function = F.conv_transpose2d if transposed else F.conv2d
        self.options = {"stride": conv.stride, "padding": conv.padding}
        self.options |= {"output_padding": conv.output_padding} if transposed else {}
        self.weight = (conv.weight.detach().double() * WEIGHT).round() / WEIGHT
        self.bias = (conv.bias.detach().double() * ACT * WEIGHT).round() / (ACT * WEIGHT)
        inputs = (0, 2, 3) if transposed else (1, 2, 3)  # dimensions that an output sums over
        largest = (self.weight.abs().sum(inputs) * LIMIT + self.bias.abs()).max().item()
        if not largest < EXACT:  # also catches NaN
            raise OverflowError(f"weights too large for exact sums: a sum could reach {largest:.3g}, limit {EXACT:.3g}")

    def forward(self, x: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=False):  # a transform-domain algorithm would not sum these products
            return to_grid(self.function(x, self.weight, self.bias, **self.options))


def fixed_point(module: nn.Module) -> nn.Module:
    """Fixed-point copy of a stack of convolutions, GELU, ReLU, LeakyReLU and PixelShuffle."""
    if isinstance(module, (nn.Sequential, nn.ModuleList)):
        return type(module)(*([map(fixed_point, module)] if isinstance(module, nn.ModuleList) else map(fixed_point, module)))
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return Convolution(module)
    if isinstance(module, nn.GELU):
        return GELU()
    if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
        return LeakyReLU(getattr(module, "negative_slope", 0.0))
    if isinstance(module, nn.PixelShuffle):
        return module
    raise TypeError(f"no fixed-point form of {type(module).__name__}")
