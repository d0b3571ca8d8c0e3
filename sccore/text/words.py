"""Pages with the places of their words: reading them, the mask that is right, and crops to train detectors with.

A folder of pages is what :mod:`sccore.text.pages.render` renders: STEM.png, and STEM.json with the boxes of its words in pixels.
"""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sccore.data.images import pair, read_image
from sccore.text import masks
from sccore.text.quads import upright
from sccore.utils.errors import InputError

LEAST = 5.0  # pixels; what is lower, or cut narrower by the crop, counts neither as text nor as none
SCALES = 0.6, 1.6  # of half of the crops
QUALITY = 40, 95  # of JPEG, for a third of the crops


def read_words(path: Path | str) -> list[dict]:
    """The words of STEM.json; InputError if it is missing or something else."""
    try:
        words = json.loads(Path(path).read_text(encoding="utf-8"))
        boxes(words)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise InputError(f'{path}: not a list of {{"text": word, "box": [x0, y0, x1, y1]}}') from None
    return words


def boxes(words: list[dict]) -> np.ndarray:
    """The boxes of words, float32 (n, 4), each (x0, y0, x1, y1)."""
    return np.array([word["box"] for word in words], np.float32).reshape(-1, 4)


def oracle(words: list[dict], size: tuple[int, int]) -> np.ndarray:
    """The mask of a detector that knows: the boxes of words, filled as every detector's are; bool (H, W)."""
    return masks.fill(upright(boxes(words)), size)


def by_hash(stems: list[str]) -> list[str]:
    """Stems of pages in the order of their SHA-256: any beginning of it is a fair choice."""
    return sorted(stems, key=lambda stem: hashlib.sha256(stem.encode()).hexdigest())


def held_back_of(stems: list[str]) -> list[str]:
    """The third of a set of pages that no detector is trained on: the first in the order of their hashes."""
    return by_hash(stems)[: len(stems) // 3]


class Pages:
    """Pages in memory: uint8 (H, W, 3) images and boxes (n, 4); `sha256` is that of all files' content.

    Raises:
        InputError: no pages, or a page without the places of its words.
    """

    def __init__(self, *folders: Path | str, progress: bool = True):
        paths = [path for folder in folders for _, path, _ in pair(folder)]
        self.images, self.boxes, digest = [], [], hashlib.sha256()
        for path in tqdm(paths, desc="reading pages", unit="page", disable=not progress):
            self.images.append(read_image(path))
            words = read_words(path.with_suffix(".json"))
            self.boxes.append(boxes(words))
            digest.update(path.read_bytes() + path.with_suffix(".json").read_bytes())
        self.sha256 = digest.hexdigest()

    def __len__(self):
        return len(self.images)


def crop(pages: Pages, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random crop: image uint8 (size, size, 3), quads (n, 4, 2) of its words cut to it, and which of them to ignore.

    Nine of ten crops have a word in the middle half. Half of them are scaled. Nothing is mirrored, for text is not.
    """
    index = rng.integers(len(pages))
    image, boxes = pages.images[index], pages.boxes[index]
    scale = float(np.exp(rng.uniform(*np.log(SCALES)))) if rng.random() < 0.5 else 1.0
    side = round(size / scale)
    space = np.maximum(np.array(image.shape[1::-1]) - side, 0)
    if len(boxes) and rng.random() < 0.9:
        x0, y0, x1, y1 = boxes[rng.integers(len(boxes))]
        middle = rng.uniform((x0, y0), (x1, y1)) + rng.uniform(-side / 4, side / 4, 2)
        corner = np.clip(np.round(middle - side / 2).astype(int), 0, space)
    else:
        corner = rng.integers(space + 1)
    x, y = corner
    part = image[y : y + side, x : x + side]
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: part.shape[0], : part.shape[1]] = part
    if side != size:
        canvas = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    moved = (boxes - [x, y, x, y]) * (size / side)
    cut = np.clip(moved, 0, size)
    inside = (cut[:, 2:] > cut[:, :2]).all(1)
    moved, cut = moved[inside], cut[inside]
    sides = cut[:, 2:] - cut[:, :2]
    ignore = (sides.min(1) < LEAST) & ((sides[:, 1] < LEAST) | (cut != moved).any(1))  # a narrow whole word counts
    return recolour(canvas, rng), upright(cut), ignore


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours as other screens have them: inverted, channels exchanged, darker or paler; and traces of JPEG."""
    if rng.random() < 0.35:
        image = 255 - image
    if rng.random() < 0.5:
        image = image[..., rng.permutation(3)]
    if rng.random() < 0.5:
        low, high = rng.uniform(0, 90), rng.uniform(150, 255)
        image = np.uint8(low + image * ((high - low) / 255))
    if rng.random() < 1 / 3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*QUALITY))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image)
