"""Measuring text detectors: against pages whose words are known, and against themselves on compressed images.

The truth of a page is the mask of its word boxes. Two kinds of recall are told apart: of pixels, the share of the truth
that the detector's mask covers, and of words, the share of words of which it covers at least half. Boxes have habits:
those of words are as high as the font, CRAFT's hug the letters with a margin, PP-OCR's take whole lines with the spaces
between words. So precision and IoU compare habits as well as skill; the share of words found hardly depends on them.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from tqdm import tqdm

from sccore.codecs.classical import choose
from sccore.data import samples as data
from sccore.evaluation import records as results
from sccore.text import masks as text
from sccore.text.words import held_back_of, oracle, read_words
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

COVERED = 0.5  # share of a word's box from which on it counts as found


def evaluate_detector(folder: Path | str, detector: str = "craft", weights: Path | str | None = None, scale: float = 1.0,
                      held_back: bool = False, out: Path | str | None = None, progress: bool = True,
                      command: str | None = None) -> dict:
    """Measure a detector on a folder of pages STEM.png and their words STEM.json; what cannot be read is under "failed".

    Args:
        detector, scale: see :func:`sccore.text.masks.detect`.
        weights: of the detector, looked for unless given.
        held_back: only the pages that :func:`sccore.text.words.held_back_of` keeps from training.
        out: JSON file, written after every page; what it holds of the same measurement is not measured again.

    Returns:
        the record: provenance, and a row a page with counts of pixels and words and the detector's processor seconds.
    """
    pairs = data.pair(folder)
    kept = held_back_of([stem for stem, _, _ in pairs])
    pairs.sort(key=lambda pair: pair[0] not in kept)  # these first: an unfinished record can be compared on them
    if held_back:
        pairs = pairs[: len(kept)]
    finder = text.load(detector, weights)
    record = _provenance(folder, finder, detector, scale, command)
    record["dataset"] |= {"words_sha256": _words_hash(pairs), "part": "held back" if held_back else "all"}

    def rows(path, missing):
        words = read_words(path.with_suffix(".json"))
        image = data.read_image(path, path.name)
        start = process_time()
        quads = text.detect(image, finder, scale)
        yield {"cpu_s": process_time() - start} | score(text.fill(quads, image.shape[:2]), words)

    return _sweep(record, [path for _, path, _ in pairs], [{}], rows, out, progress)


def evaluate_stability(folder: Path | str, detector: str = "craft", weights: Path | str | None = None, scale: float = 1.0,
                       codecs: Sequence[str] = ("jpeg",), qualities: Sequence[int] | None = None,
                       out: Path | str | None = None, progress: bool = True, command: str | None = None) -> dict:
    """Measure how a detector's masks change when the images are compressed: a row an image, codec and quality.

    Args:
        codecs: of :mod:`sccore.codecs.classical`.
        qualities: of every codec, its own sweep unless given.
        others: as for :func:`evaluate_detector`.

    Returns:
        the record; `iou` compares the mask of the decoded image with that of the original, `recall` is the share of
        the original's mask that is still there, `precision` the share of the decoded image's mask that was there before.
    """
    usable, skipped = choose(codecs)
    if skipped:
        raise InputError(skipped[0])
    points = [{"codec": codec.name, "quality": quality} for codec in usable for quality in qualities or codec.qualities]
    finder = text.load(detector, weights)
    record = _provenance(folder, finder, detector, scale, command)
    by_name = {codec.name: codec for codec in usable}

    def rows(path, missing):
        image = data.read_image(path, path.name)
        before = text.mask(image, finder, scale)
        for point in missing:
            codec = by_name[point["codec"]]
            stream = codec.encode(image, point["quality"])
            after = text.mask(codec.decode(stream, image.shape[:2]), finder, scale)
            yield point | {"bpp": 8 * len(stream) / before.size} | overlap(after, before)

    return _sweep(record, [path for _, path, _ in data.pair(folder)], points, rows, out, progress)


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
        result |= {"words": int(rows["words"].sum()), "found": rows["found"].sum() / max(rows["words"].sum(), 1),
                   "cpu_s": rows["cpu_s"].sum() / megapixels}  # fmt: skip
    return result


def _provenance(folder, finder, detector, scale, command):
    what = {"detector": detector, "label": finder.label, "weights": finder.weights, "scale": scale}
    return what | results.surroundings(folder, command)


def _words_hash(pairs):
    """SHA-256 over names and bytes of the pages' words, as `results.folder_hash` makes that of images."""
    lines = []
    for stem, path, _ in sorted(pairs):
        words = path.with_suffix(".json")
        if not words.is_file():
            raise InputError(f"{words}: no such file; every page needs its words")
        lines.append(f"{file_hash(words)}  {words.name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sweep(record: dict, paths: list[Path], points: list[dict], rows: Callable[..., Iterable[dict]],
           out: Path | str | None, progress: bool) -> dict:
    """Fills a record image by image with what `rows(path, points)` measures at the points that it does not have yet."""
    record |= {"images": _done(out, record), "failed": []}
    with tqdm(total=len(paths) * len(points), initial=len(record["images"]), desc=record["label"], disable=not progress) as bar:
        for path in map(Path, paths):
            own = [row for row in record["images"] if row["name"] == path.name]
            missing = [point for point in points if not any(point.items() <= row.items() for row in own)]
            try:
                for row in rows(path, missing) if missing else ():
                    record["images"].append({"name": path.name} | row)
                    bar.update()
            except InputError as error:
                record["failed"].append({"name": path.name, "error": str(error)})
            if out:
                results.save_record(out, record)
    return record


def _done(out, record):
    """The rows that the file `out` holds of the same measurement, by the same code on the same machine."""
    if not out or not Path(out).exists():
        return []
    before = load_record(out)
    subject = lambda r: json.dumps([r.get(key) for key in ("detector", "weights", "scale", "dataset", "machine")] +
                                   [r.get("versions", {}) | {"sccore": None}], sort_keys=True)  # fmt: skip
    return before["images"] if subject(before) == subject(record) else []


def load_record(path: Path | str) -> dict:
    """The record of a detector; InputError if the file is missing, damaged or something else."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if not all({"name", "mask", "truth", "both"} <= row.keys() for row in record["images"]) or "detector" not in record:
            raise KeyError("the counts of a page")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a record of a text detector ({error})") from None
    return record
