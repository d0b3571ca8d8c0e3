"""Numbers of every origin become Python's own, and what is none is told by its name."""

import numpy as np
import pytest
import torch

from sccore.utils.errors import InputError
from sccore.utils.values import cast


@pytest.mark.parametrize(
    "value, kind, expected",
    [
        (np.int64(2**62 + 1), int, 2**62 + 1),
        ("9007199254740993", int, 2**53 + 1),
        ("1e3", int, 1000),
        (np.float32(8), int, 8),
        ("1e-4", float, 1e-4),
        (3, float, 3.0),
        (torch.tensor(0.5), float, 0.5),
        (np.str_("adam"), str, "adam"),
    ],
)
def test_what_means_a_number_is_one(value, kind, expected):
    found = cast("lr", value, kind)
    assert found == expected and type(found) is kind


@pytest.mark.parametrize(
    "value, kind, message",
    [
        (8.5, int, "lr is a whole number, not 8.5"),
        ("8.5", int, "lr is a whole number, not 8.5"),
        (float("inf"), int, "whole number, not inf"),
        (None, float, "lr is a number, not None"),
        ("fast", float, "lr is a number, not 'fast'"),
        (torch.zeros(2), float, "lr is a number, not tensor"),
        (3, str, "lr is a word, not 3"),
    ],
)
def test_what_is_none_is_refused(value, kind, message):
    with pytest.raises(InputError, match=message):
        cast("lr", value, kind)
