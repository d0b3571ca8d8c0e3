"""Measuring text detectors: against pages whose words are known, and against themselves on compressed images.

The truth of a page is the mask of its word boxes. Two kinds of recall are told apart: of pixels, the share of the truth
that the detector's mask covers, and of words, the share of words of which it covers at least half. Boxes have habits:
those of words are as high as the font, CRAFT's hug the letters with a margin, PP-OCR's take whole lines with the spaces
between words. So precision and IoU compare habits as well as skill; the share of words found hardly depends on them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd

from sccore.codecs.classical import usable
from sccore.data.images import pair, read_image
from sccore.evaluation import records
from sccore.evaluation.provenance import files_hash, surroundings
from sccore.text import masks
from sccore.text.quads import fill
from sccore.text.words import held_back_of, oracle, read_words
from sccore.utils.errors import InputError

SUBJECT = ("detector", "weights", "scale", "dataset", "machine")  # what agrees in a record that is gone on with
COUNTS = ("mask", "truth", "both")  # of pixels, in every row
COVERED = 0.5  # share of a word's box from which on it counts as found


def evaluate_detector(
    folder: Path | str,
    detector: str = "craft",
    weights: Path | str | None = None,
    scale: float = 1.0,
    held_back: bool = False,
    out: Path | str | None = None,
    progress: bool = True,
    replace: bool = True,
) -> dict:
    """Measure a detector on a folder of pages STEM.png and their words STEM.json; what cannot be read is under "failed".

    Args:
        detector, scale: see :func:`sccore.text.masks.detect`.
        weights: of the detector, looked for unless given.
        held_back: only the pages that :func:`sccore.text.words.held_back_of` keeps from training.
        out: JSON file, written after every page; what it holds of the same measurement is not measured again.
        replace: False refuses a file that holds a record of other pages or of another detector.

    Returns:
        the record: provenance, and a row a page with counts of pixels and words and the detector's processor seconds.
    """
    pairs = pair(folder)
    kept = held_back_of([stem for stem, _, _ in pairs])
    pairs.sort(key=lambda page: page[0] not in kept)  # these first: an unfinished record can be compared on them
    if held_back:
        pairs = pairs[: len(kept)]
    finder = masks.load(detector, weights)
    record = _record(folder, finder, detector, scale)
    record["dataset"] |= {"words_sha256": _words_hash(pairs), "part": "held back" if held_back else "all"}

    def rows(path, missing):
        words = read_words(path.with_suffix(".json"))
        image = read_image(path, path.name)
        start = process_time()
        quads = masks.detect(image, finder, scale)
        yield {"cpu_s": process_time() - start} | score(fill(quads, image.shape[:2]), words)

    return _filled(record, pairs, [{}], rows, out, replace, progress)


def evaluate_stability(
    folder: Path | str,
    detector: str = "craft",
    weights: Path | str | None = None,
    scale: float = 1.0,
    codecs: Sequence[str] = ("jpeg",),
    qualities: Sequence[int] | None = None,
    out: Path | str | None = None,
    replace: bool = True,
) -> dict:
    """Measure how a detector's masks change when the images are compressed: a row an image, codec and quality.

    Args:
        codecs: of :mod:`sccore.codecs.classical`.
        qualities: of every codec, its own sweep unless given.
        others: as for :func:`evaluate_detector`.

    Returns:
        the record; `iou` compares the mask of the decoded image with that of the original, `recall` is the share of
        the original's mask that is still there, `precision` the share of the decoded image's mask that was there before.
    """
    here, skipped = usable(codecs)
    if skipped:
        raise InputError(skipped[0])
    points = [{"codec": codec.name, "quality": quality} for codec in here for quality in qualities or codec.qualities]
    finder = masks.load(detector, weights)
    record = _record(folder, finder, detector, scale)
    by_name = {codec.name: codec for codec in here}

    def rows(path, missing):
        image = read_image(path, path.name)
        before = masks.mask(image, finder, scale)
        for point in missing:
            codec = by_name[point["codec"]]
            stream = codec.encode(image, point["quality"])
            after = masks.mask(codec.decode(stream, image.shape[:2]), finder, scale)
            yield point | {"bpp": 8 * len(stream) / before.size} | overlap(after, before)

    return _filled(record, pair(folder), points, rows, out, replace)


def _filled(record, pairs, points, rows, out, replace, progress=True):
    record = records.resume(record, out, SUBJECT, COUNTS, replace=replace)
    return records.sweep(record, {path.name: path for _, path, _ in pairs}, points, rows, out, progress)


def load_record(path: Path | str) -> dict:
    """The record of a detector; InputError if the file is missing, damaged or something else."""
    return records.load_record(path, COUNTS, ("detector",))


def overlap(mask: np.ndarray, truth: np.ndarray) -> dict:
    """Counts of pixels of a mask, of the truth and of both, and precision, recall and IoU; None where there are none."""
    counts = {"mask": int(mask.sum()), "truth": int(truth.sum()), "both": int((mask & truth).sum())}
    return {"width": mask.shape[1], "height": mask.shape[0]} | counts | ratios(**counts)


def ratios(mask: int, truth: int, both: int) -> dict:
    """Precision, recall and IoU from counts of pixels."""
    share = lambda whole: both / whole if whole else None
    return {"precision": share(mask), "recall": share(truth), "iou": share(mask + truth - both)}


def score(mask: np.ndarray, words: list[dict]) -> dict:
    """A mask (H, W) against the words of its page: `overlap` with their boxes, and how many words it covers.

    Words whose box has no pixel within the image do not count.
    """
    height, width = mask.shape
    covered = []
    for box in np.round([word["box"] for word in words]).astype(int).reshape(-1, 4):
        x0, y0, x1, y1 = box.clip(0, [width, height, width, height])
        if x1 > x0 and y1 > y0:
            covered.append(mask[y0:y1, x0:x1].mean())
    found = int((np.array(covered) >= COVERED).sum())
    return overlap(mask, oracle(words, mask.shape)) | {"words": len(covered), "found": found}


def total(rows: Iterable[dict]) -> dict:
    """Many pages as one: precision, recall, IoU of all pixels, the share of all words found, processor seconds a megapixel."""
    rows = pd.DataFrame(list(rows))
    counts = rows[["mask", "truth", "both"]].sum()
    result = {"pages": len(rows)} | ratios(**{key: int(value) for key, value in counts.items()})
    if "words" in rows:
        megapixels = (rows["width"] * rows["height"]).sum() / 1e6
        result |= {
            "words": int(rows["words"].sum()),
            "found": rows["found"].sum() / max(rows["words"].sum(), 1),
            "cpu_s": rows["cpu_s"].sum() / megapixels,
        }
    return result


def _record(folder, finder, detector, scale):
    what = {"detector": detector, "label": finder.label, "weights": finder.weights, "scale": scale, "images": []}
    return what | surroundings(folder)


def _words_hash(pairs):
    """:func:`sccore.evaluation.provenance.files_hash` of the pages' words."""
    files = [path.with_suffix(".json") for _, path, _ in sorted(pairs)]
    if absent := [file for file in files if not file.is_file()]:
        raise InputError(f"{absent[0]}: no such file; every page needs its words")
    return files_hash(files)
