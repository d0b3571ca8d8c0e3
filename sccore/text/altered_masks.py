"""Masks that a model is told in place of the true one: wrong ones, and those of other detectors.

How much of the saving hangs on the mask is found by lying about it: the same weights, the same image, another mask M
in the external prior (Eq. 6). The mask is used by the encoder alone; the file does not hold it and stays decodable.
Masks are bool (H, W).
"""

from collections.abc import Callable

import cv2
import numpy as np

from sccore.utils.errors import InputError, require

SHIFT, GROW = 24, 8  # pixels: more than a line of text; about half of one

Remask = Callable[[np.ndarray, np.ndarray | None], np.ndarray | None]  # (image, mask) -> mask


def ones(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Text everywhere, which is what a model is told that has no detector."""
    return np.ones(image.shape[:2], bool)


def empty(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """No text anywhere."""
    return np.zeros(image.shape[:2], bool)


def inverted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Text where there is none, and none where it is."""
    return ~mask


def shifted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Down and to the right by SHIFT pixels: of the right size and shape in the wrong place."""
    return np.pad(mask, ((SHIFT, 0), (SHIFT, 0)))[: mask.shape[0], : mask.shape[1]]


def dilated(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grown by GROW pixels on every side: a careless detector."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * GROW + 1,) * 2, np.uint8)).astype(bool)


def eroded(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Shrunk by half of GROW on every side; words thinner than that are lost."""
    return cv2.erode(mask.astype(np.uint8), np.ones((GROW + 1,) * 2, np.uint8)).astype(bool)


WRONG: dict[str, Remask] = {f.__name__: f for f in (dilated, eroded, shifted, ones, empty, inverted)}
NEED_NONE = ("ones", "empty")  # the others change a mask that must be there


def remasker(name: str) -> tuple[Remask, dict]:
    """A function of (image, mask) by its name in WRONG or that of a detector, and what a record says of it.

    Raises:
        InputError: unknown name, or a detector that cannot run here.
    """
    from sccore.text import masks

    if name in WRONG:

        def altered(image, mask):
            if mask is None and name not in NEED_NONE:
                raise InputError(f"mask {name} is made of the image's own mask, and there is none")
            return WRONG[name](image, mask)

        return altered, {"mask": name}
    require("mask", name, (*WRONG, *masks.DETECTORS))
    detector = masks.load(name)
    return lambda image, mask: masks.mask(image, detector), {"mask": name, "weights": detector.weights}
