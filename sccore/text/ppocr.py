"""The text detectors of PP-OCR, run by OpenCV: DB, "Differentiable Binarization" (Liao et al., AAAI 2020), which finds lines.

The network answers with one map at full resolution, the probability that a pixel lies in the middle of a line of text.
The files are official ones of PP-OCRv4 (mobile) and PP-OCRv6 (small), which packages of RapidOCR carry; only their
weights are used.
"""

from pathlib import Path

import cv2
import numpy as np

from sccore.text.official import find_official
from sccore.utils.files import file_hash

OFFICIAL = {
    "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9": "PP-OCRv4 mobile",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f": "PP-OCRv6 small",
}  # sha256 of the file
VARIABLE = "SCCORE_PPOCR_WEIGHTS"
COMMAND = "pip install --no-deps rapidocr-onnxruntime==1.4.4"  # nothing of it runs, so it needs none of what it asks for
PACKAGES = {"rapidocr_onnxruntime": "ch_PP-OCRv4_det_infer.onnx", "rapidocr": "PP-OCRv6_det_small.onnx"}  # in models/

STEP = 32  # images are padded to multiples of it
PIXEL, BOX = 0.3, 0.5  # least probability of a pixel, and least mean of a box; published with the networks
UNCLIP = 1.6  # the map shows lines shrunk; their boxes grow by this times area / perimeter
SIDE = 3  # pixels, of the smallest box


class PPOCR:
    """PP-OCR's detector; a line of text becomes one box, in any direction."""

    def __init__(self, weights: Path | str | None = None):
        path = find_weights(weights)
        self.weights = file_hash(path)
        self.label = OFFICIAL[self.weights]
        self.net = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))  # OpenCV opens no path outside ASCII on Windows

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return lines(self.probability(image))

    def probability(self, image: np.ndarray) -> np.ndarray:
        """The map of an image, uint8 (H, W, 3) RGB: float32 (H, W).

        A large image goes through in overlapping tiles, as through CRAFT; OpenCV fails on 4 million pixels at once.
        """
        from sccore.text.inference import tiling

        height, width = image.shape[:2]
        padded = cv2.copyMakeBorder(image, 0, -height % STEP, 0, -width % STEP, cv2.BORDER_REPLICATE)
        probability = np.empty(padded.shape[:2], np.float32)
        rows, columns = tiling(*probability.shape)
        for top, bottom, y0, y1 in rows:
            for left, right, x0, x1 in columns:
                tile = np.ascontiguousarray(padded[top:bottom, left:right])
                self.net.setInput(cv2.dnn.blobFromImage(tile, 1 / 127.5, mean=(127.5,) * 3, swapRB=True))  # it saw BGR
                probability[y0:y1, x0:x1] = self.net.forward()[0, 0, y0 - top : y1 - top, x0 - left : x1 - left]
        return probability[:height, :width]


def lines(probability: np.ndarray) -> np.ndarray:
    """A map (H, W) to the quads of lines, float32 (N, 4, 2): rectangles around what is likely, grown to the whole letters."""
    outlines, _ = cv2.findContours((probability > PIXEL).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    quads = []
    for outline in outlines:
        centre, (w, h), angle = cv2.minAreaRect(outline)
        if min(w, h) < SIDE or mean_inside(probability, outline) < BOX:
            continue
        grow = 2 * UNCLIP * w * h / (2 * (w + h))
        quads.append(cv2.boxPoints((centre, (w + grow, h + grow), angle)))
    return np.array(quads, np.float32).reshape(-1, 4, 2)


def mean_inside(probability: np.ndarray, outline: np.ndarray) -> float:
    """The mean of a map within a closed outline (n, 1, 2)."""
    x, y, w, h = cv2.boundingRect(outline)
    inside = cv2.fillPoly(np.zeros((h, w), np.uint8), [outline - np.int32([x, y])], 1)
    return cv2.mean(probability[y : y + h, x : x + w], inside)[0]


def find_weights(path: Path | str | None = None) -> Path:
    """An official file: `path`, or what SCCORE_PPOCR_WEIGHTS names, or that of an installed package. Its sha256 is checked.

    Raises:
        InputError: there is none; the message names the command that brings one.
    """
    places = [(package, f"models/{name}") for package, name in PACKAGES.items()]
    return find_official(path, "PP-OCR", OFFICIAL, VARIABLE, places, (), COMMAND)
