"""Arithmetic that gives the same bits on every machine, for the networks that drive the entropy coder.

A decoder must compute exactly the distributions that the encoder used; one differing bit and the rest of the stream is
noise. Float sums depend on their order, hence on thread count and device. Here weights are multiples of 2^-16 and
activations multiples of 2^-12, held in float64: every product and every partial sum is a multiple of 2^-28 below 2^25,
which float64 represents without rounding, so the order of summation cannot matter. The bound is checked when a layer
is built. Nonlinearities are looked up in tables over the same grid. Any algorithm that only adds and multiplies is open then:
where several networks see one map, :mod:`sccore.winograd` needs fewer products.
"""

import struct
from functools import cached_property, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccore import winograd
from sccore.utils.beside import each

ACT = 2.0**12  # activations are multiples of 1/ACT
WEIGHT = 2.0**16  # weights are multiples of 1/WEIGHT
LIMIT = 2.0**12  # activations are clamped to +-LIMIT
EXACT = 2.0**53 / (ACT * WEIGHT)  # partial sums below this are exact
ROUNDS = 1.5 * 2.0**52 / ACT  # added and taken away again it rounds to the grid, half to even; in between the lowest bits count steps
ROUNDS_BITS = int.from_bytes(struct.pack("<d", ROUNDS), "little")
BLOCK = 2048  # outputs of a matrix product at most: what it reads stays in the cache for the next place of the kernel
FEW = 256  # outputs at most that are not shared out, nor made in tiles: reading the weights takes longer than the sums
TABLE = 8.0  # nonlinearities are tabulated on [-8, 8); beyond, they are at their asymptotes


def to_grid(x: Tensor) -> Tensor:
    """float64 copy of x, rounded to multiples of 1/ACT and clamped to +-LIMIT."""
    return (x.double() * ACT).round_().div_(ACT).clamp_(-LIMIT, LIMIT)


@lru_cache
def _table(name: str, device: torch.device) -> Tensor:
    """On the grid; no value is so near to the middle of two of its points that machines could differ (a test)."""
    function = {"gelu": F.gelu, "half_tanh": lambda v: 0.5 * torch.tanh(v)}[name]
    steps = int(TABLE * ACT)
    return to_grid(function(torch.arange(-steps, steps, dtype=torch.float64) / ACT)).to(device)


def _lookup(name: str, x: Tensor) -> Tensor:
    table = _table(name, x.device)
    steps = (x + ROUNDS).view(torch.int64).sub_(ROUNDS_BITS - int(TABLE * ACT)).clamp_(0, len(table) - 1)
    return table.index_select(0, steps.view(-1)).view(x.shape)


class GELU(nn.Module):
    """GELU of grid values, on the grid."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous()
        return _lookup("gelu", x).add_((x - (TABLE - 1 / ACT)).clamp_(min=0))  # beyond the table it is x


def half_tanh(x: Tensor) -> Tensor:
    """tanh(x) / 2 of grid values, on the grid."""
    return _lookup("half_tanh", x.contiguous())


class LeakyReLU(nn.Module):
    """Leaky ReLU of grid values, on the grid; with slope 0 it is ReLU."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, to_grid(x * self.slope)) if self.slope else x.clamp(min=0)


class Convolution(nn.Module):
    """A convolution of grid values, transposed or not, whose every sum is exact, rounded back to the grid."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d):
        super().__init__()
        plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
        if not plain:
            raise TypeError(f"no fixed-point form of {conv}")
        self.activation: nn.Module | None = None  # that follows
        transposed = isinstance(conv, nn.ConvTranspose2d)
        self.function = F.conv_transpose2d if transposed else F.conv2d
        self.options = {"stride": conv.stride, "padding": conv.padding}
        self.options |= {"output_padding": conv.output_padding} if transposed else {}
        weight = conv.weight.detach().double() * getattr(conv, "mask", 1)  # CompressAI's MaskedConv2d applies it in its forward alone
        self.weight = (weight * WEIGHT).round() / WEIGHT
        bias = self.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().double()
        self.bias = (bias * ACT * WEIGHT).round() / (ACT * WEIGHT)
        inputs = (0, 2, 3) if transposed else (1, 2, 3)  # dimensions that an output sums over
        # the largest output of inputs up to 1, and the largest bias
        self.steepest, self.offset = self.weight.abs().sum(inputs).max().item(), self.bias.abs().max().item()
        largest = self.steepest * LIMIT + self.offset
        if not largest < EXACT:  # also catches NaN
            raise OverflowError(f"weights too large for exact sums: a sum could reach {largest:.3g}, limit {EXACT:.3g}")
        in_place = not transposed and conv.stride == (1, 1)
        self.taps = self.weight.permute(2, 3, 0, 1).flatten(0, 1).contiguous() if in_place else None  # (places of the kernel, out, in)
        if in_place:  # its memory once
            self.weight = self.taps.unflatten(0, conv.kernel_size).permute(2, 3, 0, 1)

    def forward(self, x: Tensor | winograd.Joined) -> Tensor:
        if isinstance(x, winograd.Joined):
            if self.in_tiles(x):
                return winograd.convolve(x, self.spread, self.bias, self.after)
            x = x.whole
        if self.taps is not None:
            return self.products(x)
        with torch.backends.cudnn.flags(enabled=False):  # a transform-domain algorithm would not sum these products
            return self.after(self.function(x, self.weight, self.bias, **self.options))

    @cached_property
    def spread(self) -> Tensor:
        return winograd.spread(self.taps)

    def in_tiles(self, x: winograd.Joined) -> bool:
        """Whether Winograd's way is open, worth its weights, which are more, and exact for these inputs."""
        if self.taps is None or self.weight.shape[2:] != (3, 3) or self.options["padding"] != (1, 1) or x.positions <= FEW:
            return False
        return winograd.GROWTH * self.steepest * x.largest + self.offset < EXACT / winograd.FINER

    def products(self, x: Tensor) -> Tensor:
        """A convolution of stride 1 as a matrix product for each place of the kernel, faster than torch's in float64.

        With the borders in memory, what a place of the kernel sees lies at one distance from the outputs, through all
        rows; what comes out to the right of them and below is not used.
        """
        (kh, kw), (ph, pw), (batch, channels, h, w) = self.weight.shape[2:], self.options["padding"], x.shape
        if (kh, kw) == (h, w) and not ph and not pw:  # one position each
            return self.after(torch.addmm(self.bias, x.flatten(1), self.weight.flatten(1).T))[..., None, None]
        height, width = h + 2 * ph, w + 2 * pw
        seen = x.new_empty(channels, batch, height, width)
        seen[:, :, ph : ph + h, pw : pw + w] = x.transpose(0, 1)
        for border in (seen[:, :, :ph], seen[:, :, ph + h :], seen[..., :pw], seen[..., pw + w :]):
            border.zero_()
        seen = seen.flatten(1)
        out = x.new_empty(len(self.bias), batch * height * width)
        count = out.shape[1] - (kh - 1) * width - (kw - 1)

        step = -(-count // (2 * -(-count // (2 * BLOCK)))) if count > FEW else count  # an even number of blocks

        def block(begin: int):
            end = min(count, begin + step)
            sums = self.bias[:, None].repeat(1, end - begin)
            for place, weight in enumerate(self.taps):
                far = place // kw * width + place % kw
                sums.addmm_(weight, seen[:, begin + far : end + far])
            out[:, begin:end] = self.after(sums)

        each(block, range(0, count, step))
        return out.view(-1, batch, height, width)[:, :, : height - kh + 1, : width - kw + 1].transpose(0, 1)

    def after(self, sums: Tensor) -> Tensor:
        """Back to the grid, and through the nonlinearity that follows; `sums` is overwritten."""
        values = sums.add_(ROUNDS).sub_(ROUNDS).clamp_(-LIMIT, LIMIT)
        return self.activation(values) if self.activation else values


def fixed_point(module: nn.Module) -> nn.Module:
    """Fixed-point copy of a stack of convolutions, GELU, ReLU, LeakyReLU and PixelShuffle."""
    if isinstance(module, nn.ModuleList):
        return nn.ModuleList(map(fixed_point, module))
    if isinstance(module, nn.Sequential):
        layers: list[nn.Module] = []
        for layer in map(fixed_point, module):
            if isinstance(layer, GELU) and layers and isinstance(layers[-1], Convolution):
                layers[-1].activation = layer  # while its input is in the cache
            else:
                layers.append(layer)
        return nn.Sequential(*layers)
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return Convolution(module)
    if isinstance(module, nn.GELU):
        return GELU()
    if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
        return LeakyReLU(getattr(module, "negative_slope", 0.0))
    if isinstance(module, nn.PixelShuffle):
        return module
    raise TypeError(f"no fixed-point form of {module}")
