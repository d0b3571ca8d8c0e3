"""Full-reference quality of screen content by gradients: the labels that ASIQE-R is trained with.

"SQMS-like" is a reconstruction of the idea of SQMS (Gu et al., 2016): similarity of gradients, weighed by how much of its
structure each place would lose in the eye's fixations and saccades. The authors' constants are not known; numbers of
SQMS itself must not be compared with these. GMSD (Xue et al., 2014) is as published.
Images are uint8 (H, W, 3) or grey (H, W).
"""

import cv2
import numpy as np

from sccore.evaluation.asiqe.edges import PREWITT, SCHARR, gradient
from sccore.evaluation.asiqe.statistics import halved
from sccore.utils.errors import InputError

STABLE = 170.0  # of squared gradients
FIXATION = 1.5  # sigma of the Gaussian, pixels
SACCADE = 9  # pixels of horizontal motion


def grey(image: np.ndarray) -> np.ndarray:
    """Luma (BT.601) of an RGB image in whole levels, uint8 (H, W)."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise InputError(f"an 8-bit RGB image is needed, not {image.dtype} of shape {image.shape}")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def sqms_like(reference: np.ndarray, image: np.ndarray) -> float:
    """Quality of an image in [0, 1], 1 for the reference itself: similarity of Scharr gradients, weighed by saliency."""
    reference, image = _pair(reference, image)
    structure = gradient(reference, SCHARR)
    fixated = cv2.GaussianBlur(reference, (0, 0), FIXATION)
    moved = cv2.blur(reference, (SACCADE, 1))
    saliency = sum(1 - similarity(structure, gradient(seen, SCHARR)) for seen in (fixated, moved)) + 1e-6
    return float((similarity(structure, gradient(image, SCHARR)) * saliency).sum() / saliency.sum())


def gmsd(reference: np.ndarray, image: np.ndarray) -> float:
    """Gradient magnitude similarity deviation: 0 for the reference itself, larger is worse."""
    return float(similarity(*(gradient(halved(one), PREWITT) for one in _pair(reference, image))).std())


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Similarity of two maps of gradients, 1 where they are equal."""
    return (2 * a * b + STABLE) / (a**2 + b**2 + STABLE)


def _pair(*images):
    if images[0].shape != images[1].shape:
        raise InputError(f"the images differ in size: {images[0].shape[:2]} and {images[1].shape[:2]}")
    return [grey(image).astype(np.float64) for image in images]
