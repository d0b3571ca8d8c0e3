"""Metrics of picture quality, measured on 8-bit RGB images; further ones are laid beside them by `evaluate --also NAME...`.

PSNR is the distortion of the paper's Fig. 5-7; the text-region PSNR is the same formula over the pixels that Eq. 9-11 weigh
up; MS-SSIM is the library's; GMSD, VSI and MDSI are the `piq` package's. Images are uint8 arrays (H, W, 3), masks bool
(H, W). Images that differ in size or are not 8-bit raise InputError.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import cv2
import numpy as np

from sccore.evaluation import ocr
from sccore.utils.errors import InputError

MS_SSIM_SIDE = 161  # five scales, each halved, under an 11-pixel window
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of MS-SSIM, as published


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; infinite for equal images."""
    check(a, b)
    return _psnr(a, b)


def psnr_text(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float | None:
    """PSNR in dB over the pixels where `mask` is true; None when there are none."""
    check(a, b)
    if mask.shape != a.shape[:2]:
        raise InputError(f"the mask is {_size(mask)}, the image {_size(a)}")
    mask = mask.astype(bool)
    return _psnr(a[mask], b[mask]) if mask.any() else None  # (n, 3) each


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale structural similarity in [0, 1]; None where the smaller side is under 161 pixels."""
    check(a, b)
    if min(a.shape[:2]) < MS_SSIM_SIDE:
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


def ms_ssim_text(original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None) -> float | None:
    """MS-SSIM of the text regions: at each of the five scales the mean of the local map runs over the mask alone.

    With a mask of 1 everywhere it is MS-SSIM. Cutting the text out instead would put edges into its windows that nobody
    sees. The mask is halved with the images, by averaging, and weighs the map; a window looks 5 pixels beyond it, at each
    scale. It lies inside the image as in MS-SSIM, so text within 80 pixels of the border counts at the finer scales
    alone; None where there is no other text.
    """
    if mask is None or not mask.any() or min(mask.shape) < MS_SSIM_SIDE:
        return None
    a, b, weight = (layer.astype(np.float32) for layer in (original, decoded, mask))
    similarity = np.ones(3)
    for scale, exponent in enumerate(SCALES):
        if scale:
            a, b, weight = (_halved(layer) for layer in (a, b, weight))
        structure, luminance = _ssim_maps(a, b)  # (h, w, 3) each
        inner = weight[5:-5, 5:-5, None]
        if not inner.any():
            return None  # text at the very border alone
        local = structure * luminance if scale == len(SCALES) - 1 else structure
        similarity *= np.maximum((local * inner).sum((0, 1), dtype=np.float64) / inner.sum(dtype=np.float64), 0) ** exponent
    return float(similarity.mean())


def _ssim_maps(a, b):
    """Contrast with structure, and luminance, under an 11-pixel Gaussian window, where it lies inside the image."""
    blur = lambda x: cv2.GaussianBlur(x, (11, 11), 1.5)[5:-5, 5:-5]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, both = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    return (2 * both + c2) / (var_a + var_b + c2), (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)


def _halved(layer):
    """Means of 2x2 pixels; an odd side is first led on by a line of 0 on both of its ends, as the published code does."""
    rows, columns = (side % 2 for side in layer.shape[:2])
    padded = cv2.copyMakeBorder(layer, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=0)
    height, width = (side // 2 * 2 for side in padded.shape[:2])
    return cv2.resize(padded[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)


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


def further(names: Sequence[str] | None) -> list[str]:
    """The metrics of these names that records do not have anyway, in the order of the table.

    Raises:
        InputError: an unknown name, with those that there are; or one that cannot be used here, with what it lacks.
    """
    names = set(names or ())
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


def listing() -> str:
    """A line a metric: name, label, direction, and what it needs or lacks here."""
    lines = []
    for metric in METRICS.values():
        why = metric.missing()
        note = f"missing: {why}" if why else f"needs {metric.needs}" if metric.needs else ""
        note = "in every record" if metric.name in ALWAYS else note
        lines.append(f"{metric.name:13} {metric.label}; {metric.better} is better" + f"; {note}" * bool(note))
    return "\n".join(lines)
