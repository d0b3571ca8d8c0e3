"""Another mask is told to the model; the text region is still that of the true one."""

import numpy as np
import pytest

from sccore.text import altered_masks
from sccore.utils.errors import InputError

IMAGE = np.zeros((120, 160, 3), np.uint8)


@pytest.fixture
def mask():
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[40:60, 30:90] = True
    return mask


def told(name, mask):
    return altered_masks.remasker(name)[0](IMAGE, mask)


@pytest.mark.parametrize("name", altered_masks.WRONG)
def test_a_wrong_mask_has_the_size_of_the_image_and_differs_from_the_true_one(name, mask):
    wrong = told(name, mask)
    assert wrong.shape == mask.shape and wrong.dtype == bool and (wrong != mask).any()


def test_how_they_are_wrong(mask):
    assert told("ones", mask).all() and not told("empty", mask).any()
    assert (told("inverted", mask) != mask).all()
    assert told("shifted", mask).sum() == mask.sum() and told("shifted", mask)[64:84, 54:114].all()
    grow = altered_masks.GROW
    assert told("dilated", mask).sum() == (20 + 2 * grow) * (60 + 2 * grow)
    assert told("eroded", mask).sum() == (20 - grow) * (60 - grow)


def test_without_a_mask_only_what_needs_none(mask):
    assert told("ones", None).all() and not told("empty", None).any()
    with pytest.raises(InputError, match="mask shifted is made of the image's own mask, and there is none"):
        told("shifted", None)


def test_masks_of_detectors_and_unknown_names(mask):
    assert told("heuristic", mask).shape == mask.shape
    assert altered_masks.remasker("heuristic")[1] == {"mask": "heuristic", "weights": None}
    with pytest.raises(InputError, match="unknown mask 'other'; known: dilated, .*, heuristic"):
        altered_masks.remasker("other")
