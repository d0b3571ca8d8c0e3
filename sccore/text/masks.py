"""Text detectors: an image to its text mask M (Section 3.2), which the external prior and the loss stand on.

"craft" is the paper's choice, by our own network; "craft-text-detector" the same by the package of that name, if the
user has it; "east" and "rrd" are those that the paper compares with it; "ppocr" finds whole lines; "heuristic" is no
detector of text but of what looks like it, and needs no weights. Positions are (x, y) in pixels, quads float32
(N, 4, 2), clockwise from the upper left.
"""

import os
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from sccore.data.decoding import LARGEST
from sccore.text import craft_weights
from sccore.text.ppocr import PPOCR
from sccore.text.quads import fill
from sccore.utils.errors import InputError, require

TEXT, LINK, LOW_TEXT = 0.7, 0.4, 0.4  # CRAFT's published thresholds


def mask(image: np.ndarray, detector="craft", scale: float = 1.0) -> np.ndarray:
    """The text mask of an image, bool (H, W); see :func:`detect`."""
    return fill(detect(image, detector, scale), image.shape[:2])


def detect(image: np.ndarray, detector="craft", scale: float = 1.0) -> np.ndarray:
    """The text of an image as quads.

    Args:
        image: uint8 (H, W, 3), RGB.
        detector: a name in DETECTORS, or what :func:`load` gave.
        scale: of the image that the detector sees. 1 is the native size: screens have small text, and it is lost when a
            screenshot is first shrunk to a fixed size, as detectors for photographs do.
    """
    detector = load(detector) if isinstance(detector, str) else detector
    height, width = image.shape[:2]
    seen = image
    if scale != 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size[0] * size[1] > LARGEST:
            raise InputError(f"a scale of {scale:g} makes {size[0]}x{size[1]} pixels of {width}x{height}; {LARGEST} are the most")
        seen = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    quads = np.array(detector(np.ascontiguousarray(seen)), np.float32).reshape(-1, 4, 2)
    return quads * np.float32([width / seen.shape[1], height / seen.shape[0]])


def boxes(region: np.ndarray, affinity: np.ndarray) -> np.ndarray:
    """CRAFT's score maps, float32 (h, w) at half resolution, to the quads of words, in pixels of the image.

    A word is a connected area of text or link whose region score somewhere reaches TEXT. Areas are grown a little, for
    the scores cover the middle of characters, and boxed by their rectangle of least area.
    """
    text, link = region > LOW_TEXT, affinity > LINK
    count, labels, stats, _ = cv2.connectedComponentsWithStats((text | link).astype(np.uint8), connectivity=4)
    height, width = region.shape
    quads = []
    for k in range(1, count):
        x, y, w, h, area = stats[k]
        if area < 10:
            continue
        inside = np.s_[y : y + h, x : x + w]
        word = labels[inside] == k
        if region[inside][word].max() < TEXT:
            continue
        word &= text[inside] | ~link[inside]
        grow = int(2 * np.sqrt(area * min(w, h) / (w * h)))
        left, top = max(x - grow, 0), max(y - grow, 0)
        right, bottom = min(x + w + grow + 1, width), min(y + h + grow + 1, height)
        room = np.zeros((bottom - top, right - left), np.uint8)
        room[y - top : y - top + h, x - left : x - left + w] = word
        room = cv2.dilate(room, np.ones((1 + grow, 1 + grow), np.uint8))
        quads.append(rectangle(cv2.findNonZero(room)[:, 0] + np.int32([left, top])))
    return 2 * np.array(quads, np.float32).reshape(-1, 4, 2)


def rectangle(points: np.ndarray) -> np.ndarray:
    """The rectangle of least area around points (n, 2), (4, 2); an upright one where it would be nearly square."""
    quad = cv2.boxPoints(cv2.minAreaRect(points))
    a, b = np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[1] - quad[2])
    if abs(1 - max(a, b) / (min(a, b) + 1e-5)) <= 0.1:
        (left, top), (right, bottom) = points.min(0), points.max(0)
        quad = np.float32([[left, top], [right, top], [right, bottom], [left, bottom]])
    return np.roll(quad, -quad.sum(1).argmin(), 0)


class Craft:
    """CRAFT by :mod:`sccore.text.craft`, on the GPU if there is one."""

    label = "craft"

    def __init__(self, weights: Path | str | None = None):
        from sccore.text import craft
        from sccore.utils import device

        self.net = craft.load(weights, device.best())
        self.weights = craft_weights.SHA256

    def __call__(self, image: np.ndarray) -> np.ndarray:
        from sccore.text.craft import score_maps

        return boxes(*score_maps(self.net, image))


class CraftTextDetector:
    """CRAFT by the package craft-text-detector, which the user must have installed.

    Its faults are worked around: it looks for a name that torchvision no longer has; it would load a second network and
    make polygons, which fails on arrays of unequal length; and it shrinks or enlarges every image to 1280 pixels. It
    works on the whole image at once, so its memory grows with it.
    """

    label = "craft-text-detector"

    def __init__(self, weights: Path | str | None = None):
        if find_spec("craft_text_detector") is None:
            raise InputError("craft-text-detector is not installed; the detector craft needs nothing but its weights")
        import sccore.utils.torchvision_ops  # noqa: F401

        # isort: split
        from torchvision.models import vgg

        if not hasattr(vgg, "model_urls"):
            vgg.model_urls = {"vgg16_bn": "https://"}
        import craft_text_detector as package

        self.predict = package.get_prediction
        self.net = package.load_craftnet_model(cuda=False, weight_path=str(craft_weights.find_weights(weights)))
        self.weights = craft_weights.SHA256

    def __call__(self, image: np.ndarray) -> np.ndarray:
        result = self.predict(
            image, self.net, text_threshold=TEXT, link_threshold=LINK, low_text=LOW_TEXT, long_size=max(image.shape), poly=False
        )
        return result["boxes"]


class Heuristic:
    """Boxes around rows of dense edges, of the height of text: no detector, and it knows no letter from an icon.

    Edges are bridged along the row, and what becomes connected is taken for a word or a line if its height, and the
    shares of its box that are edge and that are covered, are those of text. The limits were tried out on screenshots of
    the training set.
    """

    label, weights = "heuristic, not a text detector", None
    EDGE = 32  # difference between neighbouring pixels
    GAP = 5  # pixels along the row, bridged
    HEIGHT, WIDTH = (6, 48), 10  # pixels
    EDGES, COVERED = (0.15, 0.9), 0.3  # shares of the box
    MARGIN = 2  # pixels added on each side, as CRAFT's boxes have

    def __init__(self, weights: Path | str | None = None):
        if weights:
            raise InputError("the heuristic has no weights")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        gradient = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)).max(2)
        edges = (gradient > self.EDGE).astype(np.uint8)
        rows = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((1, self.GAP), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(rows, connectivity=4)
        x, y, w, h, area = stats[1:].T  # without the background
        share = np.bincount(labels[edges > 0], minlength=count)[1:] / (w * h)
        keep = (self.HEIGHT[0] <= h) & (h <= self.HEIGHT[1]) & (w >= self.WIDTH) & (area > self.COVERED * w * h)
        keep &= (self.EDGES[0] <= share) & (share <= self.EDGES[1])
        left, top = (x - self.MARGIN)[keep], (y - self.MARGIN)[keep]
        right, bottom = (x + w - 1 + self.MARGIN)[keep], (y + h - 1 + self.MARGIN)[keep]
        return np.stack([left, top, right, top, right, bottom, left, bottom], 1).reshape(-1, 4, 2)


def trained(name: str, weights: Path | str | None = None):
    """EAST or RRD by :mod:`sccore.text.weights`."""
    from sccore.text.weights import Detector

    return Detector(name, weights)


DETECTORS = {
    "craft": Craft,
    "craft-text-detector": CraftTextDetector,
    "ppocr": PPOCR,
    "east": partial(trained, "east"),
    "rrd": partial(trained, "rrd"),
    "heuristic": Heuristic,
}


@lru_cache(maxsize=1)
def load(name: str, weights: Path | str | None = None):
    """A detector by its name in DETECTORS: a function of an image, with a `label` and the sha256 of its `weights`.

    Raises:
        InputError: an unknown name, or weights or a package that are not there; says how to get them.
    """
    require("detector", name, DETECTORS)
    return DETECTORS[name](weights)


def best_available() -> str:
    """The name of the best detector that can run here: craft where its weights are found, else the heuristic."""
    try:
        craft_weights.find_weights()
    except InputError:
        if os.environ.get(craft_weights.VARIABLE):
            raise  # the user named weights that cannot be used
        return "heuristic"
    return "craft"
