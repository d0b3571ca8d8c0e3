"""Labels: gradients against loops, GMSD against piq's, limits and order."""

import cv2
import numpy as np
import pytest

from sccore.evaluation.asiqe import edges, full_reference
from sccore.utils.errors import InputError


def loops(values, kernel):
    height, width = values.shape
    out = np.zeros((height - 2, width - 2))
    for y in range(height - 2):
        for x in range(width - 2):
            part = values[y : y + 3, x : x + 3]
            out[y, x] = np.sqrt((part * kernel).sum() ** 2 + (part * kernel.T).sum() ** 2)
    return out


@pytest.mark.parametrize("kernel", [edges.SCHARR, edges.PREWITT], ids=["scharr", "prewitt"])
def test_gradients_are_those_of_loops(kernel):
    values = np.random.default_rng(0).uniform(0, 255, (14, 19))
    assert edges.gradient(values, kernel) == pytest.approx(loops(values, kernel), abs=1e-6)


def test_gmsd_is_that_of_others(screen):
    import sccore.utils.torchvision_ops  # noqa: F401

    # isort: split
    import torch
    from piq import gmsd

    image = screen(200, 300)[0][..., 1].copy()
    blurred = cv2.GaussianBlur(image, (0, 0), 1.5)
    tensors = (torch.from_numpy(one)[None, None] / 255 for one in (image, blurred))
    assert full_reference.gmsd(image, blurred) == pytest.approx(gmsd(*tensors).item(), abs=0.01)  # which pads the border with 0


def test_the_reference_is_perfect_and_damage_is_ordered(screen):
    image = screen(200, 300)[0]
    blurred = [cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (0.5, 0.8, 1.2, 2)]
    assert full_reference.sqms_like(image, image) == 1 and full_reference.gmsd(image, image) == 0
    quality = [full_reference.sqms_like(image, one) for one in blurred]
    assert quality == sorted(quality, reverse=True) and 0 < quality[-1] < quality[0] < 1


def test_images_that_do_not_fit_are_refused(screen):
    image = screen(60, 60)[0]
    with pytest.raises(InputError, match="differ in size"):
        full_reference.sqms_like(image, image[:50])
    with pytest.raises(InputError, match="8-bit RGB"):
        full_reference.grey(image / 255)
