"""Metrics of picture quality, measured on 8-bit RGB images; further ones are laid beside them by `evaluate --also NAME...`.

PSNR is the distortion of the paper's Fig. 5-7; the text-region PSNR is the same formula over the pixels that Eq. 9-11 weigh
up; MS-SSIM is the library's; GMSD, VSI and MDSI are the `piq` package's. Images are uint8 arrays (H, W, 3), masks bool
(H, W). Images that differ in size or are not 8-bit raise InputError.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import pandas as pd

from sccore.data.images import as_mask
from sccore.evaluation import ocr
from sccore.evaluation.text_ssim import SIDE, ms_ssim_text
from sccore.utils.errors import InputError


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; infinite for equal images."""
    check(a, b)
    return _psnr(a, b)


def psnr_text(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float | None:
    """PSNR in dB over the pixels where `mask`, as of :func:`sccore.data.images.as_mask`, is text; None when there are none."""
    check(a, b)
    mask = as_mask(mask, a.shape[:2])
    return _psnr(a[mask], b[mask]) if mask.any() else None  # (n, 3) each


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale structural similarity in [0, 1]; None where the smaller side is under 161 pixels."""
    check(a, b)
    if min(a.shape[:2]) < SIDE:
        return None
    import torch
    from pytorch_msssim import ms_ssim as similarity

    def tensor(image):
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()  # (1, 3, H, W)

    with torch.inference_mode():
        return similarity(tensor(a), tensor(b), data_range=255).item()


def _psnr(a, b):
    difference = np.subtract(a, b, dtype=np.int32)
    mse = np.mean(difference * difference, dtype=np.float64)
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")


def check(a: np.ndarray, b: np.ndarray) -> None:
    """Raises InputError unless both are 8-bit RGB images of one size."""
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"an 8-bit RGB image is needed, not {image.dtype} of shape {image.shape}")
    if a.shape != b.shape:
        raise InputError(f"the images differ in size: {_size(a)} and {_size(b)}")


def _size(array):
    return f"{array.shape[1]}x{array.shape[0]}"


def _piq(name):
    def measure(original, decoded, mask):
        import torch

        piq = _import_piq()
        pair = (torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)[None].float() for x in (original, decoded))
        with torch.inference_mode():
            return float(getattr(piq, name)(*pair, data_range=255))  # (1, 3, H, W) each

    return measure


def _import_piq():
    from sccore.utils import torchvision_ops as _compat  # noqa: F401  piq imports torchvision

    return import_module("piq")


def _piq_missing():
    try:
        _import_piq()
    except ImportError:
        return f"piq is not installed: {ocr.EXTRA}"
    return ""


@dataclass(frozen=True)
class Metric:
    """One measure of quality: a name (the column of a record), a label, a direction, what it needs, and its function.

    Args:
        function: (original, decoded, mask or None) -> float, or None where there is nothing to measure.
        better: "higher", or "lower", under which 0 is best.
        missing: why it cannot be used here and how to get it; empty if it can.
        versions: of the software that measures.
        words: whether it knows what to do with the words of a rendered page.
        weight: (original, mask, words) -> what an image counts in a mean over images; all the same without it.
    """

    name: str
    label: str
    better: str
    needs: str
    function: Callable[..., float | None]
    missing: Callable[[], str] = lambda: ""
    versions: Callable[[], dict] = dict
    words: bool = False
    weight: Callable[..., float] | None = None

    def __call__(
        self, original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None = None, words: list[dict] | None = None
    ) -> float | None:
        check(original, decoded)
        mask = None if mask is None else as_mask(mask, original.shape[:2])
        return self.function(original, decoded, mask, *([words] if self.words else []))


_piq_metric = {"needs": "piq", "missing": _piq_missing, "versions": lambda: {"piq": metadata.version("piq")}}
METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR [dB], 8-bit RGB", "higher", "", lambda a, b, mask: psnr(a, b)),
        Metric(
            "psnr_text",
            "text-region PSNR [dB], 8-bit RGB",
            "higher",
            "mask",
            lambda a, b, mask: None if mask is None else psnr_text(a, b, mask),
        ),
        Metric("ms_ssim", "MS-SSIM", "higher", "161 pixels a side", lambda a, b, mask: ms_ssim(a, b)),
        Metric("ms_ssim_text", "MS-SSIM of text regions", "higher", "mask, 161 pixels a side", ms_ssim_text),
        Metric("gmsd", "GMSD", "lower", function=_piq("gmsd"), **_piq_metric),
        Metric("vsi", "VSI", "higher", function=_piq("vsi"), **_piq_metric),
        Metric("mdsi", "MDSI", "lower", function=_piq("mdsi"), **_piq_metric),
        Metric(
            "cer",
            "character error rate",
            "lower",
            "mask, tesseract, pytesseract, rapidfuzz",
            ocr.cer,
            ocr.missing,
            ocr.versions,
            words=True,
            weight=ocr.characters,
        ),
        Metric("asiqe_r", "ASIQE-R", "higher", "", lambda a, b, mask: import_module("sccore.evaluation.asiqe.index").asiqe_r(b)),
    )
}
ALWAYS = ("psnr", "psnr_text", "ms_ssim")  # in every record


def further(names: Sequence[str] | str | None) -> list[str]:
    """The metrics of these names, or of one, that records do not have anyway, in the order of the table.

    Raises:
        InputError: an unknown name, with those that there are; or one that cannot be used here, with what it lacks.
    """
    names = {names} if isinstance(names, str) else set(names or ())
    if unknown := sorted(names - set(METRICS)):
        raise InputError(f"unknown metric {', '.join(unknown)}; known: {', '.join(METRICS)} (`--also list` describes them)")
    chosen = [name for name in METRICS if name in names and name not in ALWAYS]
    for name in chosen:
        if why := METRICS[name].missing():
            raise InputError(f"{name}: {why}")
    return chosen


def versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the software behind some metrics."""
    return {software: version for name in names for software, version in METRICS[name].versions().items()}


def truth(names: Sequence[str], image: Path) -> list[dict] | None:
    """The words of a rendered page, from the file beside it, for a metric that knows what to do with them; else None."""
    beside = Path(image).with_suffix(".json")
    if not any(METRICS[name].words for name in names) or not beside.exists():
        return None
    from sccore.text.words import read_words

    return read_words(beside)


def columns(
    names: Sequence[str], original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None, words: list[dict] | None = None
) -> dict[str, float | None]:
    """What these metrics say of a decoded image; a metric that weighs images has a column `NAME_weight` too."""
    row = {}
    for metric in map(METRICS.get, names):
        row[metric.name] = metric(original, decoded, mask, words)
        if metric.weight:
            row[f"{metric.name}_weight"] = metric.weight(original, mask, words)
    return row


def risen(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """A frame in which a higher value of this metric is better: a column of a metric like CER has its sign turned."""
    return frame.assign(**{name: -frame[name]}) if name in frame and name in METRICS and METRICS[name].better == "lower" else frame


def listing() -> str:
    """A line a metric: name, label, direction, and what it needs or lacks here."""
    lines = []
    for metric in METRICS.values():
        why = metric.missing()
        note = f"missing: {why}" if why else f"needs {metric.needs}" if metric.needs else ""
        note = "in every record" if metric.name in ALWAYS else note
        lines.append(f"{metric.name:13} {metric.label}; {metric.better} is better" + f"; {note}" * bool(note))
    return "\n".join(lines)
