"""Rate-distortion curves and the Bjontegaard rate difference (BD-rate) between two of them.

Two readings of "x % fewer bits" are offered, each under its own name: the BD-rate of the data set's mean curve
(the paper's, Fig. 5-7 and Table 1) and the mean of the images' own BD-rates. Negative numbers are savings.
The integral is the `bjontegaard` package's, with PCHIP; what it would answer with a meaningless number, curves
that are not monotone or hardly overlap in quality, is refused here with InputError and the reason.
The thousand resamples behind an interval are integrated at once, by the same rule.
A frame is a table of one codec's measurements as `records.load_dataset` returns them for all.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from sccore.evaluation.curve_checks import MIN_POINTS, Curve, fault, measurements, points, tables
from sccore.evaluation.records import of_codec
from sccore.utils.errors import InputError

MIN_OVERLAP = 0.5  # of the narrower range of quality
MIN_DB = 1.0  # that both curves reach, where quality is in dB
MIN_IMAGES = 5  # of an interval: of fewer, the bootstrap's is far too narrow
MIN_RESAMPLES = 0.95  # the share of them that must have a number, or the interval is that of a lucky few
LUCKY = 0.5  # if fewer have one, so has the data set by luck alone


def curve(frame: pd.DataFrame, metric: str = "psnr") -> pd.DataFrame:
    """Mean rate and quality over the images at each lambda: a table (points, [bpp, metric]), rate ascending.

    Images without this metric (no text, too small) are left out; all others must be there at every lambda.
    """
    rates, qualities = tables(frame, metric)
    return pd.DataFrame({"bpp": rates.mean(), metric: qualities.mean()}).sort_values("bpp")


def bd_rate(anchor: Curve, test: Curve, metric: str = "psnr", rate: str = "bpp") -> float:
    """Mean difference in rate at equal quality (Table 1), in percent, of the curve `test` against the curve `anchor`.

    Args:
        anchor, test: rates and qualities of at least 4 points each, rate ascending: a table of :func:`curve`, or a dict of lists.
        metric, rate: the columns' names; any quality that rises with the rate, and any unit of rate. Where less is better, negate it.

    Returns:
        percent; negative if `test` needs fewer bits.

    Raises:
        InputError: a curve that is not one, or curves that hardly overlap in quality.

    Example:
        >>> jpeg = {"bpp": [0.2, 0.4, 0.8, 1.6], "psnr": [30, 33, 36, 39]}
        >>> round(sccore.bd_rate(jpeg, {**jpeg, "bpp": [0.1, 0.2, 0.4, 0.8]}))
        -50
    """
    import bjontegaard

    anchor, test = points(anchor, "anchor", rate, metric), points(test, "test", rate, metric)
    for which, curve in (("anchor", anchor), ("test", test)):
        if why := fault(curve[rate], curve[metric]):
            raise InputError(f"no BD-rate: the {which} curve {why}")
    share = overlap(anchor, test, metric)
    if share < MIN_OVERLAP:
        need = f"{MIN_OVERLAP:.0%} are needed"
        raise InputError(f"no BD-rate: the curves share {share:.0%} of the narrower range in {metric}, {need}")
    low, high = common(anchor, test, metric)
    if high - low < least(metric):
        raise InputError(f"no BD-rate: the curves share {high - low:.1f} dB, {least(metric):.0f} is needed")
    columns = (curve[column] for curve in (anchor, test) for column in (rate, metric))
    return float(bjontegaard.bd_rate(*columns, method="pchip", require_matching_points=False, min_overlap=0))


def bd_rates(anchors: np.ndarray, tests: np.ndarray, metric: str = "psnr") -> np.ndarray:
    """:func:`bd_rate` of many pairs of curves at once, NaN for pairs that it refuses.

    Args:
        anchors, tests: (pairs, 2, points), rates and qualities, rate ascending; both may differ in the number of points.

    Returns:
        (pairs,), in percent.
    """
    if min(anchors.shape[2], tests.shape[2]) < MIN_POINTS:
        return np.full(len(anchors), np.nan)
    low = np.maximum(anchors[:, 1].min(1), tests[:, 1].min(1))
    high = np.minimum(anchors[:, 1].max(1), tests[:, 1].max(1))
    narrower = np.minimum(np.ptp(anchors[:, 1], axis=1), np.ptp(tests[:, 1], axis=1))
    with np.errstate(all="ignore"):  # of curves that are none
        areas = [_area(curves[:, 1], np.log(curves[:, 0]), low, high) for curves in (anchors, tests)]
        values = 100 * np.expm1((areas[1] - areas[0]) / (high - low))
        sound = ((high - low) / narrower >= MIN_OVERLAP) & (high - low >= least(metric))
    for curves in (anchors, tests):
        sound &= np.isfinite(curves).all((1, 2)) & (curves[:, 0] > 0).all(1) & (np.diff(curves) > 0).all((1, 2))
    return np.where(sound, values, np.nan)


def _area(x, y, low, high):
    """Integrals from `low` to `high` of monotone cubics (PCHIP, Fritsch and Butland 1984) through rising points; x, y: (curves, points)."""
    h = np.diff(x)
    slope = np.diff(y) / h
    near, far = 2 * h[:, 1:] + h[:, :-1], h[:, 1:] + 2 * h[:, :-1]
    inner = (near + far) / (near / slope[:, :-1] + far / slope[:, 1:])
    end = lambda i, j: np.maximum(0, slope[:, i] + h[:, i] * (slope[:, i] - slope[:, j]) / (h[:, i] + h[:, j]))[:, None]
    d = np.hstack([end(0, 1), inner, end(-1, -2)])

    def up_to(at):  # t: how far into each piece, 0 to 1
        t = np.clip((at[:, None] - x[:, :-1]) / h, 0, 1)
        rise, ends = t**3 - t**4 / 2, h * (d[:, :-1] * (t**2 / 2 - 2 * t**3 / 3 + t**4 / 4) + d[:, 1:] * (t**4 / 4 - t**3 / 3))
        return (h * (y[:, :-1] * (t - rise) + y[:, 1:] * rise + ends)).sum(1)

    return up_to(high) - up_to(low)


def rate_at(points: pd.DataFrame, quality: float) -> float:
    """The rate at which a curve has a quality, between its points as in BD-rate (PCHIP of the logarithm of rate)."""
    from scipy.interpolate import PchipInterpolator

    if why := fault(points["bpp"], points["psnr"]):
        raise InputError(f"no rate at {quality:.2f}: the curve {why}")
    low, high = points["psnr"].min(), points["psnr"].max()
    if not low <= quality <= high:
        raise InputError(f"no rate at {quality:.2f}: the curve goes from {low:.2f} to {high:.2f}")
    return float(np.exp(PchipInterpolator(points["psnr"], np.log(points["bpp"]))(quality)))


def overlap(anchor: pd.DataFrame, test: pd.DataFrame, metric: str = "psnr") -> float:
    """The part of the narrower curve's range of quality that the other reaches too, 0 to 1.

    BD-rate looks at that common range alone: a codec that goes far beyond another can be compared where both are.
    """
    low, high = common(anchor, test, metric)
    narrower = min(max(points[metric]) - min(points[metric]) for points in (anchor, test))
    return max(0.0, float((high - low) / (narrower or 1)))


def common(anchor: Curve, test: Curve, metric: str = "psnr") -> tuple[float, float]:
    """The range of quality that both curves reach; its ends are the wrong way round if there is none."""
    return max(min(points[metric]) for points in (anchor, test)), min(max(points[metric]) for points in (anchor, test))


def least(metric: str) -> float:
    """How much of a quality two curves must share, apart from :data:`MIN_OVERLAP`."""
    return MIN_DB if metric in ("psnr", "psnr_text") else 0.0


def compare(anchor_frame: pd.DataFrame, test_frame: pd.DataFrame, metric: str = "psnr", resamples: int = 1000) -> dict:
    """BD-rate of one codec against another on the same images, in percent, and how sure it is.

    Returns:
        bd_rate: of the data set's mean curves; low, high: its 95 % interval (:func:`bootstrap` over images, seeded), or NaN;
        overlap: of the mean curves in quality; images: how many; resamples: the share of the bootstrap's that have a BD-rate;
        per_image: {name: BD-rate} of the images' own curves; per_image_mean: its mean, NaN if it is empty;
        per_image_low, per_image_high: that mean's interval over the images which have one;
        refused: {name: reason} of images that have none; exact: images that are left out, since a codec stores them without loss at
        some point of its curve, where their PSNR is infinite.

    Raises:
        InputError: as of :func:`bd_rate`; images that were measured with one codec alone; a number that most resamples do not have.
    """
    exact = exact_images(anchor_frame) | exact_images(test_frame)
    both = [tables(inexact(frame, exact), metric) for frame in (anchor_frame, test_frame)]
    names = both[0][0].index
    if unmatched := names.symmetric_difference(both[1][0].index).tolist():
        few = ", ".join(unmatched[:3]) + (f" and {len(unmatched) - 3} more" if len(unmatched) > 3 else "")
        raise InputError(f"not measured with both codecs: {few}")
    values = (np.stack(pair).astype(np.float64).tobytes() for pair in both)  # (2, images, points) each: rates, qualities
    return _compare(tuple(names), *values, metric, resamples) | {"exact": sorted(exact)}


def exact_images(frame: pd.DataFrame) -> set[str]:
    """Images that a codec stores without loss at some point of its curve, where their PSNR is infinite."""
    frame = measurements(frame, "psnr")
    return set(frame["name"][frame["psnr"].isna()])


def inexact(frame: pd.DataFrame, exact: set[str] | None = None) -> pd.DataFrame:
    """Measurements of the other images than these, by default those of :func:`exact_images`; all, where there are no others."""
    exact = exact_images(frame) if exact is None else exact
    return frame if exact >= set(frame["name"]) else frame[~frame["name"].isin(exact)]


@lru_cache(maxsize=512)  # a page asks for the same two curves more than once
def _compare(names, anchor, test, metric, resamples):
    values = [np.frombuffer(content).reshape(2, len(names), -1) for content in (anchor, test)]

    def means(draws):
        """(draws, images) -> of each codec (draws, 2, points), rate ascending."""
        found = (np.stack([value[:, images].mean(1) for images in draws]) for value in values)
        return [np.take_along_axis(mean, mean[:, :1].argsort(2), 2) for mean in found]

    def over(images):
        """The BD-rate over some images, or the reason why it has none."""
        try:
            return bd_rate(*curves(images), metric)
        except InputError as error:
            return str(error)

    curves = lambda images: [dict(zip(("bpp", metric), mean)) for (mean,) in means([images])]
    everyone = np.arange(len(names))
    whole = bd_rate(*curves(everyone), metric)
    each = {name: over([i]) for i, name in enumerate(names)}
    refused = {name: why for name, why in each.items() if isinstance(why, str)}
    per_image = {name: value for name, value in each.items() if name not in refused}
    own = np.array([*per_image.values()])
    low, high, share = bootstrap(lambda draws: bd_rates(*means(draws), metric), len(names), resamples)
    own_low, own_high, _ = bootstrap(lambda draws: own[draws].mean(1), len(own), resamples)
    if len(names) >= MIN_IMAGES and share < LUCKY:
        raise InputError(f"no BD-rate: {share:.0%} of the mixtures of these images have one, {LUCKY:.0%} are needed")
    mean, shared = float(own.mean()) if len(own) else np.nan, overlap(*curves(everyone), metric)
    found = {"bd_rate": whole, "low": low, "high": high, "overlap": shared, "images": len(names), "resamples": share}
    found |= {"per_image": per_image, "per_image_mean": mean, "per_image_low": own_low, "per_image_high": own_high}
    return found | {"refused": refused}


def bootstrap(numbers: Callable[[np.ndarray], Sequence[float]], count: int, resamples: int = 1000) -> tuple[float, float, float]:
    """The 95 % interval of a number that is made of `count` images, and the share of the resamples that have the number.

    The ends are NaN where there is no such interval: of fewer than MIN_IMAGES, or where a share below MIN_RESAMPLES has it.

    Args:
        numbers: draws (resamples, count), indices of images drawn with replacement -> a number each; NaN, or none, where it has none.
    """
    sample = np.asarray(numbers(np.random.default_rng(0).integers(count, size=(resamples, count))) if count else ())
    sample = sample[~np.isnan(sample)]
    sound = count >= MIN_IMAGES and len(sample) >= MIN_RESAMPLES * resamples
    low, high = np.percentile(sample, [2.5, 97.5]).tolist() if sound else (np.nan, np.nan)
    return low, high, len(sample) / resamples


def between(frame: pd.DataFrame, codec: str, anchor: str, metric: str = "psnr") -> dict:
    """:func:`compare` of two codecs of one table of measurements.

    Raises:
        InputError: as of :func:`compare`, or a codec that is not in the table; says which are.
    """
    there = set(measurements(frame)["codec"])
    if unknown := [name for name in (codec, anchor) if name not in there]:
        raise InputError(f"no measurements of {unknown[0]!r}; there are: {', '.join(sorted(map(str, there))) or 'none'}")
    return compare(of_codec(frame, anchor), of_codec(frame, codec), metric)
