"""Active rotating filters: what turning the image does to the maps."""

import pytest
import torch

from sccore.text.rotating_filters import ORConv, orpool


def clockwise(x):
    return torch.rot90(x, -1, (2, 3))


@pytest.mark.parametrize("dilation", [1, 2])
def test_turning_the_image_turns_maps_and_directions(dilation):
    torch.manual_seed(0)
    lift, turn = ORConv(3, 4, lift=True, dilation=dilation), ORConv(4, 5, dilation=dilation)
    answer = lambda x: turn(torch.relu(lift(x)))
    x = torch.randn(2, 3, 12, 12)
    moved = clockwise(answer(x)).unflatten(1, (5, 8)).roll(2, 2).flatten(1, 2)
    assert torch.allclose(answer(clockwise(x)), moved, atol=1e-5)
    assert torch.allclose(orpool(answer(clockwise(x))), clockwise(orpool(answer(x))), atol=1e-5)


def test_a_filter_is_turned_eight_times():
    conv = ORConv(1, 1, lift=True)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(9.0).view(1, 1, 1, 9))
    filters = conv.filters()
    assert filters.shape == (8, 1, 3, 3)
    assert filters[0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert filters[1, 0].tolist() == [[3, 0, 1], [6, 4, 2], [7, 8, 5]]  # 45 degrees clockwise
    assert torch.equal(filters[2, 0], torch.rot90(filters[0, 0], -1))


def test_all_filters_learn():
    conv = ORConv(2, 3)
    conv(torch.randn(1, 16, 5, 5)).square().sum().backward()
    assert conv.weight.shape == (3, 2, 8, 9) and (conv.weight.grad != 0).all() and (conv.bias.grad != 0).all()
