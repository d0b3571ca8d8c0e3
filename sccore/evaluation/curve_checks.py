"""What is given as a curve or as measurements, checked before anything is computed from it; each refusal is a line with its reason."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from sccore.evaluation.records import settings
from sccore.utils.errors import InputError

Curve: TypeAlias = pd.DataFrame | Mapping[str, Sequence[float]]

MIN_POINTS = 4  # of a curve, as in Bjontegaard's proposal


def points(given: Curve, which: str, *columns: str) -> dict[str, np.ndarray]:
    """These columns of a curve, numbers (points,) each.

    Args:
        which: how errors call it, "anchor" or "test".

    Raises:
        InputError: no table and no dict of lists, a column that is not there or no list of numbers, or columns of different lengths.
    """
    record = isinstance(given, Mapping) and "images" in given
    if record or not isinstance(given, (pd.DataFrame, Mapping)):
        kind = "a record" if record else f"a {type(given).__name__}"
        reader = "sccore.evaluation.curve_files.read(PATH)[1]"
        raise InputError(f"the {which} is {kind}, no table or dict of lists; {reader} gives the curve of a file")
    if lacking := [column for column in columns if column not in given]:
        raise InputError(f"the {which} curve has no {lacking[0]!r}; it has: {', '.join(map(str, given)) or 'nothing'}")
    found = {column: _numbers(given[column], f"{column} of the {which} curve") for column in columns}
    if len({len(values) for values in found.values()}) > 1:
        counts = " and ".join(f"{len(values)} of {column}" for column, values in found.items())
        raise InputError(f"the columns of the {which} curve differ in length: {counts}")
    return found


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        found = np.asarray(values)
        if found.dtype == object and all(isinstance(value, Real) for value in found.flat):
            found = found.astype(float)
    except (TypeError, ValueError, RuntimeError):  # lists in it, of different lengths
        found = np.empty((0, 0))
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        raise InputError(f"{name} is no list of numbers: {values if isinstance(values, str) else list(np.ravel(values))!r:.100}")
    return found


def measurements(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """A table of measurements that has codec, name, bpp and these columns.

    Raises:
        InputError: it is none, or has not.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"measurements are a table, as of sccore.evaluation.records.load_dataset, not {type(frame).__name__}")
    if lacking := [column for column in ("codec", "name", "bpp", *columns) if column not in frame]:
        raise InputError(f"the measurements have no {lacking[0]!r}; they have: {', '.join(map(str, frame)) or 'nothing'}")
    return frame


def tables(frame: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates and qualities of one codec, a table (images, points) each; images that do not have the metric are left out.

    Raises:
        InputError: measurements of several codecs, without the metric, twice at a point, or not at every point.
    """
    codecs = ", ".join(sorted(set(measurements(frame, metric)["codec"])))
    if "," in codecs:
        raise InputError(f"a curve belongs to one codec, these measurements to {codecs}")
    measured = frame if metric == "psnr" else frame.dropna(subset=[metric])  # which every image has, but exact ones
    if measured.empty:
        raise InputError(f"{codecs or 'no measurements'}: no image has {metric}")
    if words := [column for column in ("bpp", metric) if not pd.api.types.is_numeric_dtype(measured[column])]:
        if not all(value is None or isinstance(value, Real) for value in measured[words].to_numpy().flat):
            raise InputError(f"{codecs}: {words[0]} is not a number in every row")
        measured = measured.astype(dict.fromkeys(words, float))
    if not (point := settings(measured)):
        raise InputError(f"{codecs}: its rows have neither lmbda nor quality, which tell the points of a curve apart")
    if twice := sorted(set(measured["name"][measured.duplicated(["name", *point])])):
        raise InputError(f"{codecs}: measured twice at the same point: {', '.join(map(str, twice[:3]))}")
    rates, qualities = (measured.pivot(index="name", columns=point, values=value) for value in ("bpp", metric))
    if gaps := qualities.index[qualities.isna().any(axis=1)].tolist():
        raise InputError(
            f"{codecs}: not measured at every point of the curve: {', '.join(gaps)} (the PSNR of an exact picture is infinite)"
        )
    return rates, qualities


def fault(rates: np.ndarray | pd.Series, qualities: np.ndarray | pd.Series) -> str:
    """Why these points, rate ascending, are no curve to integrate; empty if they are one."""
    if len(rates) < MIN_POINTS:
        return f"has {len(rates)} of the {MIN_POINTS} points that are needed"
    if not np.isfinite([rates, qualities]).all() or min(rates) <= 0:
        return "has a rate or quality that is not finite, or no bits at all"
    if min(np.diff(rates)) <= 0 or min(np.diff(qualities)) <= 0:
        advice = (
            "; a measure of which less is better is compared by its negative" if max(np.diff(qualities)) < 0 < min(np.diff(rates)) else ""
        )
        return f"does not rise in quality with every step in rate: {np.round(qualities, 2).tolist()}{advice}"
    return ""
