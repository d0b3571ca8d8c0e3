"""Interlaced spatial context: the symbols of a slice predicted from their neighbours, a coarse lattice first.

WACNN's entropy model predicts channels from channels, but no position from its neighbours: where a page is flat, its colour
is paid for at every position. Here a slice is coded in passes, as interlaced pictures are: a lattice of every 16th position,
then the centres of its squares, then the middles of their sides, and so on down to every position. A pass sees the 12 nearest
positions that are known by then. They stand in the same figure at every scale, so that two small networks serve all passes:
one for centres, one for sides.

Checkerboard contexts (He et al., CVPR 2021) and those by quadtree (Li et al., CVPR 2023) came before. Ours is that a context
moves the probabilities of the symbols alone, never their values: y_hat, and so the picture, is the same with it and without.
It can therefore be trained behind any finished model.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace

import torch
from compressai.entropy_models import GaussianConditional
from torch import Tensor, nn

from sccore.layers import GELU

LATTICE = 16  # positions from one to the next of the first pass, a power of 2
NEAREST = ((-1, -1), (-1, 1), (1, -1), (1, 1))  # of a centre, in half steps of the lattice that is known
RING = ((-3, -1), (-3, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (3, -1), (3, 1))
SAID = 4  # what a network says of a symbol: the neighbours' share in its mean, a shift; a factor of its scale, an addend
CONTEXTS = 2  # slices that have one, the first: most of the bits of clean pages are theirs
HIDDEN = 96  # channels of the networks

SHIFTS = 8  # tables for means between two whole numbers
FRACTIONS = tuple(k / SHIFTS for k in range(1 - SHIFTS // 2, 1 + SHIFTS // 2) if k)
SHARP = 2.0  # scale above which they would not matter

Where = Callable[[Tensor], Tensor]  # takes the positions of a pass, (B, C, 1, P), out of a map (B, C, h, w)
Code = Callable[[Where, Tensor | None, Tensor], Tensor]
Context = Callable[[Tensor, Tensor, Code], tuple[Tensor, Tensor | None, Tensor]]


def context_networks(channels: int) -> nn.ModuleList:
    """The networks for a slice of so many channels, for centres and for sides; they begin at no correction."""
    return nn.ModuleList(correction(channels * (len(NEAREST) + len(RING) + 3), channels) for _ in range(2))


def correction(inputs: int, channels: int) -> nn.Sequential:
    """A network of single positions that gives SAID numbers for each of the channels, all 0 at first."""
    widths = (inputs, HIDDEN, HIDDEN, SAID * channels)
    layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Conv2d(a, b, 1), GELU())][:-1]
    nn.init.zeros_(layers[-1].weight)
    nn.init.zeros_(layers[-1].bias)
    return nn.Sequential(*layers)


def at_once(mu: Tensor, scale: Tensor, code: Code) -> tuple[Tensor, None, Tensor]:
    """No context: all symbols in one pass, with mean 0."""
    return code(lambda t: t, None, scale), None, scale


def in_passes(
    context: nn.ModuleList, nets: SimpleNamespace | nn.Module, mu: Tensor, scale: Tensor, code: Code, lattice: int = LATTICE
) -> tuple[Tensor, Tensor, Tensor]:
    """The symbols of a slice, pass by pass; one definition for training, encoding and decoding.

    Numbers are in quantiser steps, so that a flat page looks the same at every rate. All arithmetic but that of the networks is
    by single operations, which every machine rounds alike.

    Args:
        context: of :func:`context_networks`, or the fixed-point copies.
        nets: whose `half_tanh` and `grid` belong to the arithmetic that the context computes in.
        mu, scale: (B, C, h, w), as the channels before predict the latents.
        code: called with (where, mean, scale), the last two (B, C, 1, P): codes the symbols there and returns them.
        lattice: of :func:`passes`.

    Returns:
        the symbols, and the mean and scale that each was coded with, (B, C, h, w).
    """
    symbols, means, scales = torch.zeros_like(mu), torch.zeros_like(mu), scale.clone()
    for kind, (rows, columns), (above, beside), inside in passes(*mu.shape[-2:], mu.device, lattice):
        where = lambda t: t[..., rows, columns][:, :, None]
        if kind is not None:
            here, spread = where(mu), where(scale)
            seen = symbols[..., above, beside] + (mu[..., above, beside] - here)  # (B, C, 12, P), latents as mu here sees them
            seen = torch.where(inside, seen, 0)
            a, b, c, d = (seen[:, :, k : k + 1] for k in range(len(NEAREST)))
            middle = ((a + b) + (c + d)) / inside[: len(NEAREST)].sum(0).to(mu.dtype)
            around = torch.where(inside, seen - middle, 0).flatten(1, 2)[:, :, None]
            inputs = [squash(t) for t in (around, middle, middle / spread.clamp_min(1 / 16), spread)]
            share, shift, factor, addend = context[kind](nets.grid(torch.cat(inputs, 1))).chunk(SAID, 1)
            means[..., rows, columns] = (2 * nets.half_tanh(share) * middle + shift * spread)[:, :, 0]
            scales[..., rows, columns] = (spread * (1 + 2 * nets.half_tanh(factor)) + addend)[:, :, 0]
        symbols[..., rows, columns] = code(where, where(means), where(scales))[:, :, 0]
    return symbols, means, scales


def squash(x: Tensor) -> Tensor:
    """Into (-1, 1), steepest around 0."""
    return x / (1 + x.abs())


@lru_cache(maxsize=16)
def passes(h: int, w: int, device: torch.device, lattice: int = LATTICE) -> tuple:
    """The passes over a map: (kind, positions, known positions around each, which of these lie in the map).

    `kind` is None for the first lattice, 0 for centres, 1 for sides. Positions are (rows, columns), each (P,), those around
    (12, P), the four nearest first. `lattice` is the distance of the first pass's positions, a power of 2.
    """
    down, along = torch.arange(h, device=device), torch.arange(w, device=device)
    every = lambda top, left, step: torch.cartesian_prod(down[top::step], along[left::step]).T
    centre = NEAREST + RING
    side = tuple(((a + b) // 2, (a - b) // 2) for a, b in centre)  # the same figure, turned by 45 degrees
    found, step = [(None, tuple(every(0, 0, lattice)), (None, None), None)], lattice
    while step > 1:
        half = step // 2
        for kind, corners, figure in ((0, [(half, half)], centre), (1, [(0, half), (half, 0)], side)):
            rows, columns = torch.cat([every(*corner, step) for corner in corners], 1)
            if len(rows):
                below, right = half * torch.tensor(figure, device=device).T[..., None]
                y, x = rows + below, columns + right
                inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
                found.append((kind, (rows, columns), (y.clamp(0, h - 1), x.clamp(0, w - 1)), inside))
        step = half
    return tuple(found)


class ShiftedGaussian(GaussianConditional):
    """CompressAI's, with tables for means between whole numbers too, where a scale is so small that it matters.

    Behind the tables of the scales stand, for each scale below SHARP, those of the means -3/8 to 4/8.
    """

    def update(self):
        super().update()
        sharp = self.scale_table[self.scale_table < SHARP][:, None].double()  # (F, 1)
        shifts = torch.tensor(FRACTIONS, dtype=torch.float64)
        mean, scale = shifts.repeat(len(sharp))[:, None], sharp.repeat_interleave(len(shifts), 0)
        reach = int(-self._offset[: len(sharp)].min()) + 1
        symbol = torch.arange(-reach, reach + 1)
        upper, lower = (self._standardized_cumulative((symbol + side - mean) / scale) for side in (0.5, -0.5))
        rows = torch.full((len(mean),), len(symbol))
        tables = self._pmf_to_cdf(
            (upper - lower).float(), (1 - (upper - lower).sum(1, keepdim=True)).clamp_min(0).float(), rows, len(symbol)
        )
        width = max(tables.shape[1], self._quantized_cdf.shape[1])
        pad = lambda t: nn.functional.pad(t, (0, width - t.shape[1]))
        self._quantized_cdf = torch.cat([pad(self._quantized_cdf), pad(tables)])
        self._offset = torch.cat([self._offset, torch.full_like(rows, -reach).int()])
        self._cdf_length = torch.cat([self._cdf_length, (rows + 2).int()])


def between(gaussian: GaussianConditional, mean: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The whole number that a mean is coded from, and the table: `index` of its scale, or a shifted one."""
    eighths = (mean * SHIFTS).round()
    whole = ((eighths + (SHIFTS // 2 - 1)) / SHIFTS).floor()
    rest = (eighths - SHIFTS * whole).int()  # -3 to 4
    scales = gaussian.scale_table
    place = rest + (SHIFTS // 2 - 1) - (rest > 0).int()  # in FRACTIONS
    moved = (rest != 0) & (index < int((scales < SHARP).sum()))
    return whole, torch.where(moved, len(scales) + len(FRACTIONS) * index + place, index)


def tables_in(gaussian: GaussianConditional) -> int:
    """How many tables it has to have for its scales."""
    scales = gaussian.scale_table
    return len(scales) + isinstance(gaussian, ShiftedGaussian) * len(FRACTIONS) * int((scales < SHARP).sum())
