"""Convolutions of 3 x 3 with four multiplications for each output in place of nine, where arithmetic is exact.

Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin & Gray, CVPR 2016) adds and subtracts inputs, and weights, before it multiplies. In
floats that costs digits. On the grid of :mod:`sccore.fixed_point` no sum is rounded, so that the result is the plain one to the
last bit. What is done to the inputs is done once, however many convolutions see them.
"""

from collections.abc import Callable
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from sccore.utils.beside import each

BLOCK = 512  # tiles of 2 x 2 outputs that a thread takes, about
FINER = 4  # products are multiples of a fourth of what they are multiples of in a plain convolution
GROWTH = 4 * 4  # of what sums can reach: a number of a tile is a sum of 4 inputs, and a weight's factors add up to 4 at most
KERNEL = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=torch.float64)
OUTPUT = torch.tensor([[1, 1, 1, 0], [0, 1, -1, -1]], dtype=torch.float64)


class Tiled:
    """A map (1, C, h, w) of grid values, and what a convolution of 3 x 3 multiplies of it."""

    def __init__(self, map: Tensor):
        self.map = map

    @cached_property
    def tiles(self) -> Tensor:
        """(16, C, rows, columns): of each tile of 4 x 4 inputs, two apart, the transform B^T d B."""
        _, channels, h, w = self.map.shape
        framed = F.pad(self.map[0], (1, 1 + w % 2, 1, 1 + h % 2))
        phases = framed.view(channels, (h + 3) // 2, 2, (w + 3) // 2, 2).permute(2, 4, 0, 1, 3).contiguous()
        columns = differences(phases[:, 0], phases[:, 1], 3)  # (4, 2, C, rows + 1, columns)
        return differences(columns[:, 0], columns[:, 1], 2).flatten(0, 1)

    @cached_property
    def largest(self) -> float:
        return self.map.abs().max().item()


def differences(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """B^T d along a dimension, (4, ...), of four inputs in a row: even[i], odd[i], even[i + 1], odd[i + 1]."""
    count = even.shape[dim] - 1
    a, b, c, d = (part.narrow(dim, begin, count) for begin in (0, 1) for part in (even, odd))
    return torch.stack([a - c, b + c, c - b, b - d])


class Joined:
    """Maps that convolutions see as one, one behind the other.

    Args:
        parts: maps (1, C, h, w) of grid values, or what was joined before.
    """

    def __init__(self, *parts: "Tensor | Joined"):
        self.parts = [own for part in parts for own in (part.parts if isinstance(part, Joined) else [Tiled(part)])]

    @property
    def whole(self) -> Tensor:
        return torch.cat([part.map for part in self.parts], 1)

    @property
    def positions(self) -> int:
        return self.parts[0].map[0, 0].numel()

    @property
    def largest(self) -> float:
        return max(part.largest for part in self.parts)


def spread(taps: Tensor) -> Tensor:
    """Weights as they are multiplied, (16, out, in): G g G^T of the kernels, which come as (9, out, in)."""
    pairs = torch.kron(KERNEL, KERNEL).to(taps.device)
    return (pairs @ taps.flatten(1)).view(16, *taps.shape[1:])


def convolve(x: Joined, weights: Tensor, bias: Tensor, after: Callable[[Tensor], Tensor]) -> Tensor:
    """The convolution with a frame of zeros, (1, out, h, w), and what follows.

    Args:
        weights: of :func:`spread`.
        after: what is done with sums, wherever they lie.
    """
    h, w = x.parts[0].map.shape[2:]
    rows, columns = -(-h // 2), -(-w // 2)
    own = weights.split([part.map.shape[1] for part in x.parts], 2)
    out = bias.new_empty(1, len(bias), 2 * rows, 2 * columns)
    pairs = torch.kron(OUTPUT, OUTPUT).to(bias.device)
    step = -(-rows // (2 * -(-rows * columns // (2 * BLOCK))))  # an even number of blocks

    def block(begin: int):
        end = min(rows, begin + step)
        first, *further = (part.tiles[:, :, begin:end].flatten(2) for part in x.parts)  # (16, C, tiles)
        products = own[0] @ first
        for weight, tiles in zip(own[1:], further):
            products.baddbmm_(weight, tiles)
        sums = (pairs @ products.flatten(1)).view(4, len(bias), -1).add_(bias[:, None])
        made = after(sums).view(2, 2, len(bias), end - begin, columns)
        out[0, :, 2 * begin : 2 * end].view(-1, end - begin, 2, columns, 2).copy_(made.permute(2, 3, 0, 4, 1))

    for part in x.parts:
        part.tiles  # before threads ask for them
    each(block, range(0, rows, step))
    return out[..., :h, :w]
