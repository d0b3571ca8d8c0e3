"""Several cores give the numbers of one."""

import threading

import pytest
import torch
from torch import nn

from sccore.utils import beside
from sccore.utils.beside import Beside, each, in_strips, side_by_side


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr(beside, "cores", lambda: 3)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def test_others_compute_each_with_one_thread_and_in_the_mode_of_who_asked(three_threads):
    met = threading.Barrier(3)  # which all three must reach at once

    def seen(i):
        met.wait(timeout=20)
        return i, threading.get_ident(), torch.get_num_threads(), torch.is_grad_enabled()

    with torch.no_grad(), side_by_side():
        numbers, idents, threads, graded = zip(*each(seen, range(3)))
    assert numbers == (0, 1, 2) and len(set(idents)) == 3 and set(threads) == {1} and not any(graded)
    assert torch.get_num_threads() == 3


def test_what_nobody_began_is_computed_by_who_asks():
    assert Beside(lambda: threading.get_ident()).result() == threading.get_ident()


def test_an_error_comes_to_who_asks(three_threads):
    with pytest.raises(ZeroDivisionError), side_by_side():
        each(lambda i: 1 / i, [1, 0, 2])
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("height", [8, 40, 44, 100])
def test_strips_are_the_whole(height):
    """Two strided convolutions see 2 + 2 * 2 rows to each side; strips that lie on their stride do not change what they see."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 5, 2, 2), nn.Conv2d(3, 4, 5, 2, 2), nn.ConvTranspose2d(4, 2, 2, 2)).double()
    x = torch.randint(-9, 9, (1, 2, height, 12)).double()
    for layer in net:
        nn.init.constant_(layer.weight, 0.5)  # sums are exact
        nn.init.zeros_(layer.bias)
    function = lambda x: (net(x), net[:2](x))
    with torch.no_grad():
        cut = in_strips(lambda x: function(x)[:1], (x,), rows=16, halo=8) + in_strips(lambda x: function(x)[1:], (x,), rows=16, halo=8)
        assert all(torch.equal(a, b) for a, b in zip(cut, function(x)))
        assert height < 40 or not torch.equal(in_strips(lambda x: (net[:2](x),), (x,), rows=16, halo=4)[0], net[:2](x))
