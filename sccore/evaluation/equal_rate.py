"""Pictures at equal size of file: what each codec makes of the same crop for the same bits (Fig. 8).

A crop is coded as an image of its own. The setting of each codec (lambda, or quality) is searched for, so that its real
file comes as close to the wanted rate as the setting allows; what was reached stands beside every picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sccore.codecs import checkpoint, checkpoint_files, sci
from sccore.codecs.classical import CODECS
from sccore.evaluation import metrics
from sccore.hyperprior import Hyperprior
from sccore.utils.errors import InputError

STEPS = 9  # of the search over lambda: to a few tenths of a percent in rate


@dataclass
class Coded:
    """A decoded crop (H, W, 3), the setting that was found, and its file's size in bytes."""

    codec: str
    setting: str
    size: int
    image: np.ndarray
    psnr: float
    psnr_text: float | None

    @property
    def bpp(self) -> float:
        return 8 * self.size / (self.image.shape[0] * self.image.shape[1])


def cut(layer: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """That part of an image (H, W, 3) or mask (H, W).

    Raises:
        InputError: the box is not inside.
    """
    if min(left, top) < 0 or min(width, height) < 1 or left + width > layer.shape[1] or top + height > layer.shape[0]:
        raise InputError(f"the crop {width}x{height}+{left}+{top} is not inside an image of {layer.shape[1]}x{layer.shape[0]}")
    return np.ascontiguousarray(layer[top : top + height, left : left + width])


def code(name: str, image: np.ndarray, mask: np.ndarray | None = None, lmbda: float | None = None, bpp: float | None = None) -> Coded:
    """Codes a crop with a classical codec, a shipped checkpoint of that name or a checkpoint file, or "sccore": as the command does.

    Args:
        lmbda: of a learned codec; or
        bpp: the rate to come close to.

    Raises:
        InputError: a classical codec that is not installed, with the hint how to get it.
    """
    pixels = image.shape[0] * image.shape[1]
    if name in CODECS:
        classical = CODECS[name]
        if why := classical.missing():
            raise InputError(f"{name}: {why}")
        encode, steps = lambda quality: classical.encode(image, quality), range(classical.scale[0], classical.scale[1] + 1)
        rising = classical.qualities[0] < classical.qualities[-1]  # else these are quantisers
        quality, data = nearest(encode, steps if rising else steps[::-1], bpp * pixels / 8)
        decoded, setting = classical.decode(data, image.shape[:2]), f"quality {quality}"
    else:
        whole = name == checkpoint_files.CODEC
        path = checkpoint_files.file_of(checkpoint_files.DEFAULT if whole else name)
        model = _model(path, path.stat().st_mtime_ns if path.exists() else 0)
        latents = sci.analyse(image, model, mask)
        encode = lambda value: sci.encode(image, model, value, latents=latents, palette=whole)
        if lmbda is None:
            first, last = model.lambdas[0], model.lambdas[-1]
            grid = np.geomspace(first, last, 2**STEPS + 1).clip(first, last).tolist()
            lmbda, data = nearest(encode, grid, bpp * pixels / 8)
        else:
            data = encode(lmbda)
        decoded, setting = sci.decode(data, model), f"λ = {lmbda:.3g}"
    text = None if mask is None else metrics.psnr_text(image, decoded, mask)
    return Coded(name, setting, len(data), decoded, metrics.psnr(image, decoded), text)


@lru_cache(maxsize=4)  # figures code many crops with a few models
def _model(path: Path, changed: int) -> Hyperprior:
    return checkpoint.load_model(path)


def nearest(encode: Callable[..., bytes], settings, size: float) -> tuple[object, bytes]:
    """The setting whose file is closest to `size` bytes, and the file; files grow along `settings`."""
    low, high, tried = 0, len(settings) - 1, {}

    def data(i):
        if i not in tried:
            tried[i] = encode(settings[i])
        return tried[i]

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(data(middle)) < size else (low, middle)
    best = min((low, high), key=lambda i: abs(len(data(i)) - size))
    return settings[best], data(best)


def parse(places: str) -> list[tuple[str, int, int]]:
    """Crops as they are written in parameters, NAME+LEFT+TOP with blanks between: [(name, left, top)]."""
    try:
        return [(name, int(left), int(top)) for name, left, top in (place.split("+") for place in places.split())]
    except ValueError:
        raise InputError(f"{places!r}: crops are written NAME+LEFT+TOP, with blanks between") from None
