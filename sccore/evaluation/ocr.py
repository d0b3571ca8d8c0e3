"""Text integrity as a reader has it: the share of characters that an OCR program reads wrongly in a decoded image.

The character error rate (CER) is the Levenshtein distance between what is read and what stands there, divided by the
number of characters that stand there. All blocks of an image count together: the sum of edits over the sum of
characters. What stands there is the page's own text where it is known (:mod:`sccore.text.pages.render`), else what is read in the
original; 0 then says that the codec has changed nothing for this reader.

The reader is Tesseract with its English model, through pytesseract; the numbers of this edition are of version 5.3.0, and
records carry the version that was used. Original and decoded image are read in the same boxes, cut from the original's
text mask, enlarged by the same factor and inverted alike, so that only the pixels differ.
"""

import json
import os
import tempfile
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sccore.utils.errors import InputError

TESSERACT = "apt install tesseract-ocr, or conda install -c conda-forge tesseract"
EXTRA = "pip install -e '.[integrity]'"
LINE = 40  # pixels; lines of text are enlarged to this height, at most threefold
SURE = 60  # percent; a block whose mean confidence in the original is lower is no text that a codec could harm


@dataclass(frozen=True)
class Block:
    """A box (x0, y0, x1, y1) of an original, what stands in it, and how it is shown to the reader."""

    box: tuple[int, int, int, int]
    scale: float
    invert: bool
    text: str = ""

    def show(self, image: np.ndarray) -> np.ndarray:
        """The box as a grey picture, dark on bright, uint8 (h, w)."""
        x0, y0, x1, y1 = self.box
        grey = cv2.cvtColor(np.ascontiguousarray(image[y0:y1, x0:x1]), cv2.COLOR_RGB2GRAY)
        if self.scale > 1:
            grey = cv2.resize(grey, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_CUBIC)
        return 255 - grey if self.invert else grey


def missing() -> str:
    """Why nothing can be read here, and the command that changes it; empty if it can."""
    for package in ("pytesseract", "rapidfuzz"):
        try:
            import_module(package)
        except ImportError:
            return f"{package} is not installed: {EXTRA}"
    try:
        languages = import_module("pytesseract").get_languages()
    except (OSError, RuntimeError):  # TesseractNotFoundError is an OSError
        return f"tesseract is not installed: {TESSERACT}"
    return "" if "eng" in languages else f"tesseract has no English model: {TESSERACT}"


def versions() -> dict[str, str]:
    """Versions of what reads and of what counts the edits."""
    import pytesseract

    return {"tesseract": str(pytesseract.get_tesseract_version()), **{p: metadata.version(p) for p in ("pytesseract", "rapidfuzz")}}


def cer(original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None, words: list[dict] | None = None) -> float | None:
    """Character error rate of a decoded image; None where the original has nothing to read. May exceed 1.

    Args:
        original, decoded: uint8 (H, W, 3).
        mask: of the original's text, bool (H, W).
        words: the words of a rendered page, as `words.read_words` returns them; they are the truth then.

    Raises:
        InputError: the reader is not installed; says the command that brings it.
    """
    there = blocks(original, mask, words)
    return errors(there, read(decoded, there)) if there else None


def characters(original: np.ndarray, mask: np.ndarray | None, words: list[dict] | None = None) -> int:
    """The number of characters that an image's error rate refers to."""
    return sum(len(block.text) for block in blocks(original, mask, words))


def errors(there: tuple[Block, ...], texts: list[str]) -> float:
    """The error rate of what was read in some blocks: sum of edits over sum of characters."""
    from rapidfuzz.distance import Levenshtein

    edits = sum(Levenshtein.distance(block.text, text) for block, text in zip(there, texts, strict=True))
    return edits / sum(len(block.text) for block in there)


def blocks(original: np.ndarray, mask: np.ndarray | None, words: list[dict] | None = None) -> tuple[Block, ...]:
    """The blocks of an original and their text. The original is read once, however often it is asked for."""
    if why := missing():
        raise InputError(f"no character error rate: {why}")
    mask = np.zeros(original.shape[:2], bool) if mask is None else mask.astype(bool)
    return _blocks(original.tobytes(), mask.tobytes(), original.shape, json.dumps(words))


@lru_cache(maxsize=2)
def _blocks(original, mask, shape, words):
    original = np.frombuffer(original, np.uint8).reshape(shape)
    mask, words = np.frombuffer(mask, bool).reshape(shape[:2]), json.loads(words)
    if words is not None:
        return tuple(block(original, box, box[3] - box[1], text) for box, text in lines(words, shape[:2]))
    found = [block(original, box, height) for box, height in paragraphs(mask)]
    reading = _read(original, found)
    return tuple(Block(b.box, b.scale, b.invert, text) for b, (text, sure) in zip(found, reading) if text and sure >= SURE)


def block(original: np.ndarray, box: tuple[int, int, int, int], height: float, text: str = "") -> Block:
    """A box (x0, y0, x1, y1) as the reader is to see it: lines of text `height` pixels high enlarged, bright on dark inverted."""
    x0, y0, x1, y1 = box
    dark = np.median(original[y0:y1, x0:x1].mean(2)) < 128
    return Block(box, float(np.clip(LINE / height, 1, 3)), bool(dark), clean(text))


def paragraphs(mask: np.ndarray) -> list[tuple[tuple[int, int, int, int], float]]:
    """Boxes around words that stand together, and the height of their lines, from a mask bool (H, W).

    Words belong together when the gap between them is less than the height of a line, or 0.7 of it from line to line.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    parts = stats[1:]  # (n, 5): left, top, width, height, area
    if not len(parts):
        return []
    typical = float(np.median(parts[:, cv2.CC_STAT_HEIGHT]))
    kernel = np.ones((round(0.7 * typical) | 1, round(typical) | 1), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask.astype(np.uint8), kernel), connectivity=4)
    rows = parts[:, cv2.CC_STAT_TOP]  # the first of each part, in which it has a pixel
    of_part = labels[rows, [left + int(np.argmax(mask[row, left : left + width])) for row, left, width in parts[:, [1, 0, 2]]]]
    found = []
    for label in range(1, count):
        left, top, width, height = stats[label, :4].tolist()
        found.append(((left, top, left + width, top + height), float(np.median(parts[of_part == label, cv2.CC_STAT_HEIGHT]))))
    return found


def lines(words: list[dict], size: tuple[int, int]) -> list[tuple[tuple[int, int, int, int], str]]:
    """Boxes around the lines of a rendered page and their text: words that follow each other at one height."""
    rows: list[list[dict]] = []
    for word in words:
        x0, y0, x1, y1 = word["box"]
        if rows:
            before = rows[-1][-1]["box"]
            level = abs(before[1] + before[3] - y0 - y1) < (y1 - y0)
            if level and 0 <= x0 - before[2] + (y1 - y0) / 4 < 1.5 * (y1 - y0):
                rows[-1].append(word)
                continue
        rows.append([word])
    found = []
    for row in rows:
        corners = np.array([word["box"] for word in row])
        margin = (corners[:, 3] - corners[:, 1]).max() / 5
        x0, y0, x1, y1 = [*(corners.min(0)[:2] - margin), *(corners.max(0)[2:] + margin)]
        box = tuple(int(v) for v in (max(0, x0), max(0, y0), min(size[1], x1 + 1), min(size[0], y1 + 1)))
        if box[2] > box[0] and box[3] > box[1]:
            found.append((box, " ".join(word["text"] for word in row)))
    return found


def read(image: np.ndarray, there: tuple[Block, ...]) -> list[str]:
    """What the reader makes of each block of an image (H, W, 3)."""
    return [text for text, _ in _read(image, there)]


def _read(image, there):
    """(text, mean confidence of its words in percent) of each block; one run of the program for all."""
    if not there:
        return []
    import pytesseract

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.png" for i in range(len(there))]
        for file, block in zip(files, there):
            Image.fromarray(block.show(image)).save(file, compress_level=1)
        pages = Path(folder) / "pages.txt"
        pages.write_text("\n".join(map(str, files)), encoding="utf-8")
        with single_threaded():
            table = pytesseract.image_to_data(str(pages), lang="eng", config="--psm 6 --dpi 150", output_type=pytesseract.Output.DICT)
    words: list[list[tuple[str, float]]] = [[] for _ in there]
    for page, text, sure in zip(table["page_num"], table["text"], table["conf"]):
        if clean(text):
            words[page - 1].append((clean(text), float(sure)))
    return [(" ".join(text for text, _ in own), float(np.mean([sure for _, sure in own])) if own else 0.0) for own in words]


@contextmanager
def single_threaded():
    """The programs that are started within have one thread: on pictures this small theirs only wait for each other.

    Left in the environment, the limit would reach trainings that are started later, whose convolutions wait for ever
    for a second thread that they were promised.
    """
    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_THREAD_LIMIT"]


def clean(text: str) -> str:
    """Text as it is compared: Unicode NFKC, one blank between words."""
    return " ".join(unicodedata.normalize("NFKC", str(text)).split())
