"""Records: files of measurements, which every figure and table of the book is drawn from.

A record is one JSON file, `data/results/<data set>/<codec>.json`, compressed (`.json.gz`) where there are many: provenance
(:mod:`sccore.evaluation.provenance`), settings, under "images" a row an image and point of the codec's curve, and under "failed" the
images that could not be measured, with the reason.
Sizes are in bytes, rates in bits per pixel, times in seconds.

The JSON is strict. What is no finite number is null: the PSNR of an image that is decoded exactly, and what does not exist, as
text PSNR without text. A table has NaN there.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from sccore.evaluation.provenance import relative
from sccore.utils import files, paths
from sccore.utils.errors import InputError
from sccore.utils.json_files import load_json, write_text

COLUMNS = ("bpp", "psnr")  # of a codec's rows
KINDS = "*.json", "*.json.gz"
DIGITS = 7  # one more than a float32 is sure of


def save_record(path: Path | str, record: dict) -> None:
    """Write a record so that a kill at any moment leaves the old file or the new one, never a part. Each row is a line, without blanks."""
    text = json.dumps(record | {"images": []} if record.get("images") else record, indent=1, allow_nan=False)
    if record.get("images"):
        rows = ",\n  ".join(json.dumps(row, allow_nan=False, separators=(",", ":")) for row in record["images"])
        text = text.replace('\n "images": []', f'\n "images": [\n  {rows}\n ]', 1)
    write_text(path, text)


def load_record(path: Path | str, columns: Iterable[str] = COLUMNS, fields: Iterable[str] = ("codec",)) -> dict:
    """Read a record.

    Args:
        columns: what each of its rows has, beside the image's name.
        fields: what it has itself.

    Raises:
        InputError: the file is missing, damaged or something else; names it.
    """
    record = load_json(path)
    try:
        lacking = {"images", *fields} - record.keys() or {column for row in record["images"] for column in {"name", *columns} - row.keys()}
    except (TypeError, AttributeError):
        lacking = {"rows"}
    if lacking:
        raise InputError(f"{path}: not a record of such measurements, it has no {', '.join(sorted(lacking))}")
    return record


def resume(
    record: dict, out: Path | str | None, same: Iterable[str], columns: Iterable[str] = COLUMNS, versions: bool = True, replace: bool = True
) -> dict:
    """The record in `out`, if it is of what `record` is to measure, else `record`.

    Args:
        same: the fields that must agree.
        columns: of :func:`load_record`.
        versions: those of all software must agree too; the commit may differ where sccore's sources do not.
        replace: False refuses an `out` with measurements of other images, of another codec or at other settings.
    """
    if not out or not Path(out).exists():
        return record
    before = load_record(out, columns, ())
    images = lambda of: [(of.get("dataset") or {}).get(key) for key in ("sha256", "part", "words_sha256")]
    points = lambda of: [of.get(key) for key in ("lmbdas", "qualities", "coded_with", "detector", "weights", "scale")]
    kinds = {"images": images, "codecs": lambda of: of.get("codec"), "settings": points}
    if not replace and before["images"] and (other := [what for what, of in kinds.items() if of(before) != of(record)]):
        raise InputError(f"{out}: holds a record of other {' and '.join(other)}; choose another file, or delete it")
    subject = lambda of: json.dumps([of.get(key) for key in same] + [of.get("versions", {}) | {"sccore": None}] * versions, sort_keys=True)
    return before if subject(before) == subject(record) else record


def sweep(
    record: dict,
    images: dict[str, Any],
    points: Sequence[dict],
    rows: Callable[[Any, list[dict]], Iterable[dict]],
    out: Path | str | None,
    progress: bool,
    position: int = 0,
) -> dict:
    """Fills a record image by image with what it does not have yet. An image that cannot be measured is named under "failed".

    Args:
        images: file's name -> what `rows` is given of it.
        points: what tells the rows of an image apart, such as [{"lmbda": 0.0018}, {"lmbda": 0.0035}]; [{}] if it has one row.
        rows: (image, points that are missing) -> rows, in their order.
        out: JSON file, written after every image.
        position: line of the progress bar.

    Raises:
        InputError: another process fills the record in `out`; says which.
    """
    record["failed"] = []
    label, total, done = record.get("label", record.get("codec")), len(images) * len(points), len(record["images"])
    with alone(out), tqdm(total=total, initial=done, desc=label, disable=not progress, position=position) as bar:
        for name, image in images.items():
            own = [row for row in record["images"] if row["name"] == name]
            missing = [point for point in points if not any(point.items() <= row.items() for row in own)]
            try:
                for row in rows(image, missing) if missing else ():
                    # a point is found again by its own
                    kept = {key: value if key in points[0] else as_recorded(value) for key, value in row.items()}
                    record["images"].append({"name": name} | kept)
                    bar.update()
            except InputError as error:
                what = str(error) if name in str(error) else f"{name}: {error}"
                record["failed"].append({"name": name, "error": what})
            if out:
                save_record(out, record)
    return record


@contextmanager
def alone(out: Path | str | None, doing: str = "measures for it"):
    """A record, or another file that is long in the making, for this process alone, which a folder beside it says until the end of the block."""
    if not out or Path(out).exists() and not Path(out).is_file():  # a device holds nothing
        yield
        return
    mark = Path(out).with_name(f".{Path(out).name[:200]}.lock")
    with files.alone(mark, out, f"{doing}; wait for it or choose another file"):
        try:
            yield
        finally:
            shutil.rmtree(mark, ignore_errors=True)


def as_recorded(value: Any) -> Any:
    """A number as records hold it, in DIGITS digits: the rest is the noise of arithmetic. None if it is infinite or none at all."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def record_files(dataset: str | Path) -> list[Path]:
    """The records of a data set."""
    return sorted(path for kind in KINDS for path in (paths.RESULTS / dataset).glob(kind))


def with_records(dataset: str | Path) -> str | Path:
    """The name of a data set, refused if there are no records of it."""
    if not record_files(dataset):
        known = ", ".join(sorted({path.parent.name for kind in KINDS for path in paths.RESULTS.glob(f"*/{kind}")})) or "none"
        raise InputError(f"no records of data set {str(dataset)!r} in {relative(paths.RESULTS)}; there are: {known}")
    return dataset


def load_dataset(name: str | Path) -> pd.DataFrame:
    """All records of a data set as one table, a row an image and lambda, the codec in column `codec`.

    A measurement that does not exist is NaN. Two records that hold the same codec, image and lambda raise InputError: a
    mean over them would count that image twice.
    """
    rows = []
    for path in record_files(with_records(name)):
        record = load_record(path)
        rows += [{"codec": record["codec"], **row, "record": path.name} for row in record["images"]]
    if not rows:
        raise InputError(f"no measurements in {relative(paths.RESULTS / name)}")
    frame = to_numbers(pd.DataFrame(rows), "record")
    point = ["codec", "name", *settings(frame)]
    twice = frame[frame.duplicated(point, keep=False)]
    if len(twice):
        files = " and ".join(sorted(set(twice["record"])))
        raise InputError(f"{files} in {relative(paths.RESULTS / name)}: {twice['codec'].iloc[0]} is measured twice at the same point")
    return frame.drop(columns="record")


def to_numbers(frame: pd.DataFrame, *words: str) -> pd.DataFrame:
    """A table of rows whose columns are numbers, but for codec, name and these; columns of anything else are left as they are."""
    for column in frame.columns.difference(["codec", "name", *words]):
        with suppress(TypeError, ValueError):  # words, or a list
            frame[column] = pd.to_numeric(frame[column])
    return frame


def settings(frame: pd.DataFrame) -> list[str]:
    """The columns that tell the points of a codec's curve apart: lambda, or the quality of a classical codec."""
    return [column for column in ("lmbda", "quality") if column in frame and frame[column].notna().any()]


def measured(dataset: str = "samples") -> pd.DataFrame:
    """:func:`load_dataset`; an empty table if nothing is recorded."""
    return load_dataset(dataset) if record_files(dataset) else pd.DataFrame(columns=["codec", "name", "lmbda", "bpp", "psnr"])


def of_codec(frame: pd.DataFrame, codec: str) -> pd.DataFrame:
    """The rows of one codec."""
    return frame[frame["codec"] == codec]


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of codecs that were measured on every image; others cannot be compared and are named in print.

    An image counts when it was measured at every point of its codec's curve.
    """
    counts, most = {codec: len(images) for codec, images in _images(frame).items()}, frame["name"].nunique()
    if partial := [f"{codec} ({count} of {most})" for codec, count in counts.items() if count < most]:
        print(f"Not in these means, since only some of the images were measured: {', '.join(partial)}.")
    return frame[frame["codec"].isin([codec for codec, count in counts.items() if count == most])]


def common(frame: pd.DataFrame, codecs: list[str]) -> pd.DataFrame:
    """The rows of these codecs on the images that all of them were measured on: what a partial curve is compared on."""
    images = _images(frame)
    names = set.intersection(*(images.get(codec, set()) for codec in codecs))
    return frame[frame["codec"].isin(codecs) & frame["name"].isin(names)]


def _images(frame):
    """codec -> the names of its images that were measured at every point of its curve."""
    found = {}
    for codec, own in frame.groupby("codec"):
        points = own.groupby("name").size()
        found[codec] = set(points[points == own.groupby(settings(own) or "codec", dropna=False).ngroups].index)
    return found


def recorded(codec: str, dataset: str = "samples") -> dict:
    """The record of a codec; {} if there is none."""
    return next((record for path in record_files(dataset) if (record := load_record(path))["codec"] == codec), {})


def trained(codec: str, dataset: str = "samples") -> dict:
    """The checkpoint entry of a codec's record: file, sha256, steps, hours ...; {} without a record."""
    return recorded(codec, dataset).get("checkpoint") or {}
