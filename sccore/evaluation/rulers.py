"""Further rulers of picture quality, to be laid beside PSNR and MS-SSIM: `evaluate --also NAME...`.

Each has a name (the column of a record), a label, a direction, what it needs, and a function

    (original, decoded, mask) -> float | None

of uint8 images (H, W, 3) and a text mask, bool (H, W) or None; None where there is nothing to measure. GMSD, VSI and
MDSI are the `piq` package's. Under the direction "lower" 0 is best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import cv2
import numpy as np

from sccore.evaluation import metrics, ocr
from sccore.utils.errors import InputError

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of MS-SSIM, as published


@dataclass(frozen=True)
class Ruler:
    """One measure of quality.

    Args:
        better: "higher" or "lower".
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

    def __call__(self, original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None = None,
                 words: list[dict] | None = None) -> float | None:
        metrics.check(original, decoded)
        return self.function(original, decoded, mask, *([words] if self.words else []))


def ms_ssim_text(original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None) -> float | None:
    """MS-SSIM of the text regions: at each of the five scales the mean of the local map runs over the mask alone.

    With a mask of 1 everywhere it is MS-SSIM. Cutting the text out instead would put edges into its windows that nobody
    sees. The mask is halved with the images, by averaging, and weighs the map; a window looks 5 pixels beyond it, at each
    scale. It lies inside the image as in MS-SSIM, so text within 80 pixels of the border counts at the finer scales
    alone; None where there is no other text.
    """
    if mask is None or not mask.any() or min(mask.shape) < metrics.MS_SSIM_SIDE:
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


def _ssim_maps(a, b, range_=255.0):
    """Contrast with structure, and luminance, under an 11-pixel Gaussian window, where it lies inside the image."""
    blur = lambda x: cv2.GaussianBlur(x, (11, 11), 1.5)[5:-5, 5:-5]
    c1, c2 = (0.01 * range_) ** 2, (0.03 * range_) ** 2
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


def _asiqe_missing():
    try:
        import_module("sccore.evaluation.asiqe.index")
    except ImportError:
        return "this sccore has no sccore.evaluation.asiqe.index, the re-trained reconstruction of ASIQE"
    return ""


_piq_ruler = {"needs": "piq", "missing": _piq_missing, "versions": lambda: {"piq": metadata.version("piq")}}
RULERS = {ruler.name: ruler for ruler in (
    Ruler("psnr", "PSNR [dB], 8-bit RGB", "higher", "", lambda a, b, mask: metrics.psnr(a, b)),
    Ruler("psnr_text", "text-region PSNR [dB], 8-bit RGB", "higher", "mask",
          lambda a, b, mask: None if mask is None else metrics.psnr_text(a, b, mask)),
    Ruler("ms_ssim", "MS-SSIM", "higher", "161 pixels a side", lambda a, b, mask: metrics.ms_ssim(a, b)),
    Ruler("ms_ssim_text", "MS-SSIM of text regions", "higher", "mask, 161 pixels a side", ms_ssim_text),
    Ruler("gmsd", "GMSD", "lower", function=_piq("gmsd"), **_piq_ruler),
    Ruler("vsi", "VSI", "higher", function=_piq("vsi"), **_piq_ruler),
    Ruler("mdsi", "MDSI", "lower", function=_piq("mdsi"), **_piq_ruler),
    Ruler("cer", "character error rate", "lower", "mask, tesseract, pytesseract, rapidfuzz", ocr.cer, ocr.missing, ocr.versions,
          words=True, weight=ocr.characters),
    Ruler("asiqe_r", "ASIQE-R", "higher", "sccore.evaluation.asiqe.index",
          lambda a, b, mask: import_module("sccore.evaluation.asiqe.index").asiqe_r(b), _asiqe_missing),
)}  # fmt: skip
ALWAYS = ("psnr", "psnr_text", "ms_ssim")  # in every record


def choose(names: Sequence[str] | None) -> list[str]:
    """The rulers of these names that records do not have anyway, in the order of the table.

    Raises:
        InputError: an unknown name, with those that there are; or one that cannot be used here, with what it lacks.
    """
    names = set(names or ())
    if unknown := sorted(names - set(RULERS)):
        raise InputError(f"unknown ruler {', '.join(unknown)}; known: {', '.join(RULERS)} (`--also list` describes them)")
    chosen = [name for name in RULERS if name in names and name not in ALWAYS]
    for name in chosen:
        if why := RULERS[name].missing():
            raise InputError(f"{name}: {why}")
    return chosen


def versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the software behind some rulers."""
    return {software: version for name in names for software, version in RULERS[name].versions().items()}


def truth(names: Sequence[str], image: Path) -> list[dict] | None:
    """The words of a rendered page, from the file beside it, for a ruler that knows what to do with them; else None."""
    beside = Path(image).with_suffix(".json")
    if not any(RULERS[name].words for name in names) or not beside.exists():
        return None
    from sccore.text.words import read_words

    return read_words(beside)


def columns(names: Sequence[str], original: np.ndarray, decoded: np.ndarray, mask: np.ndarray | None,
            words: list[dict] | None = None) -> dict[str, float | None]:
    """What these rulers say of a decoded image; a ruler that weighs images has a column `NAME_weight` too."""
    row = {}
    for ruler in map(RULERS.get, names):
        row[ruler.name] = ruler(original, decoded, mask, words)
        if ruler.weight:
            row[f"{ruler.name}_weight"] = ruler.weight(original, mask, words)
    return row


def listing() -> str:
    """A line a ruler: name, label, direction, and what it needs or lacks here."""
    lines = []
    for ruler in RULERS.values():
        why = ruler.missing()
        note = f"missing: {why}" if why else f"needs {ruler.needs}" if ruler.needs else ""
        note = "in every record" if ruler.name in ALWAYS else note
        lines.append(f"{ruler.name:13} {ruler.label}; {ruler.better} is better" + f"; {note}" * bool(note))
    return "\n".join(lines)
