"""Convolutions by Winograd's way: the bits of the plain one, wherever its sums are exact, and nowhere else."""

import pytest
import torch
from torch import nn

from sccore import fixed_point, winograd
from sccore.utils.beside import side_by_side
from sccore.winograd import Joined


def grid(*shape, size=8.0):
    return fixed_point.to_grid(size * torch.randn(shape))


def convolution(inputs, outputs, scale=1.0, **options):
    torch.manual_seed(inputs)
    conv = nn.Conv2d(inputs, outputs, 3, **{"padding": 1, **options})
    conv.weight.data *= scale
    return fixed_point.Convolution(conv)


@pytest.fixture(autouse=True)
def none_too_few(monkeypatch):
    monkeypatch.setattr(fixed_point, "FEW", 0)


@pytest.fixture
def times(monkeypatch):
    """How often Winograd's way was taken."""
    taken, real = [], winograd.convolve
    monkeypatch.setattr(winograd, "convolve", lambda *args: taken.append(1) or real(*args))
    return taken


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 2), (5, 3), (8, 9), (70, 61)])
@pytest.mark.parametrize("activation", [None, fixed_point.GELU()])
def test_the_same_bits_as_the_plain_one(times, size, activation):
    conv = convolution(12, 5)
    conv.activation = activation
    maps = [grid(1, channels, *size) for channels in (6, 4, 2)]
    with torch.no_grad(), side_by_side():
        assert torch.equal(conv(Joined(*maps)), conv(torch.cat(maps, 1)))
        assert torch.equal(conv(Joined(Joined(maps[0], maps[1]), maps[2])), conv(torch.cat(maps, 1)))
    assert len(times) == 2


def test_a_map_is_made_into_tiles_once(monkeypatch):
    made, real = [], winograd.differences
    monkeypatch.setattr(winograd, "differences", lambda *args: made.append(1) or real(*args))
    first = Joined(grid(1, 4, 6, 6))
    both = Joined(first, grid(1, 2, 6, 6))
    for conv, x in ((convolution(4, 3), first), (convolution(4, 2), first), (convolution(6, 3), both)):
        conv(x)
    assert len(made) == 2 * 2  # columns and rows of two maps


@pytest.mark.parametrize("size, taken", [(1.0, 1), (fixed_point.LIMIT, 0)])
def test_where_sums_might_not_be_exact_the_plain_way_is_taken(times, size, taken):
    conv = convolution(64, 3, scale=60.0)
    x = fixed_point.to_grid(size * (2 * torch.rand(1, 64, 4, 4) - 1))
    most = winograd.GROWTH * conv.steepest
    assert most * fixed_point.LIMIT > fixed_point.EXACT / winograd.FINER > most
    assert torch.equal(conv(Joined(x)), conv(x)) and len(times) == taken


def test_the_bound_holds_for_what_is_multiplied():
    """Tiles, weights and sums are multiples of what they are counted in, and none is larger than the bound says."""
    conv, x = convolution(16, 4), grid(1, 16, 10, 10)
    (part,) = Joined(x).parts
    unit = fixed_point.ACT * fixed_point.WEIGHT * winograd.FINER
    sums = (conv.spread.abs() @ part.tiles.abs().flatten(2)).sum(0)
    assert sums.max() <= winograd.GROWTH * conv.steepest * part.largest
    weights = conv.spread
    for exact in (part.tiles * fixed_point.ACT, weights * fixed_point.WEIGHT * winograd.FINER, (weights @ part.tiles.flatten(2)) * unit):
        assert torch.equal(exact, exact.round())


def test_weights_and_tiles_grow_as_the_bound_says():
    conv = convolution(2, 2)
    conv.taps[1:] = 0  # a corner of the kernel alone
    signs = torch.tensor([1.0, 1, -1, -1, 1, 1, -1], dtype=torch.float64)
    (part,) = Joined((signs[:, None] * signs)[None, None]).parts
    weights = winograd.spread(conv.taps).abs().sum((0, 2)) / conv.taps.abs().sum((0, 2))
    assert weights.max() * part.tiles.abs().max() == winograd.GROWTH


def test_small_maps_are_not_worth_it(times, monkeypatch):
    monkeypatch.setattr(fixed_point, "FEW", 12)
    conv = convolution(4, 3)
    for size in ((3, 4), (3, 5)):
        x = grid(1, 4, *size)
        assert torch.equal(conv(Joined(x)), conv(x))
    assert len(times) == 1


@pytest.mark.parametrize("options", [{"padding": 0}, {"stride": 2}])
def test_other_convolutions_see_the_maps_as_one(times, options):
    conv, maps = convolution(6, 3, **options), [grid(1, 4, 7, 8), grid(1, 2, 7, 8)]
    assert torch.equal(conv(Joined(*maps)), conv(torch.cat(maps, 1))) and not times
