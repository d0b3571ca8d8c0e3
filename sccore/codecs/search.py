"""Lambda for a size or a quality that is asked for: the model's rates are continuous, and a picture is analysed only once.

Sizes and PSNR are those of whole files, coded and decoded. Sizes rise with lambda, nearly evenly in its logarithm, so that
a few files are enough. PSNR also jumps, by up to a decibel on flat pages, where a level of rounding moves a large field.
"""

import math
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from tqdm import tqdm

from sccore.codecs import container, sci
from sccore.codecs.without_loss import errors
from sccore.hyperprior import Hyperprior
from sccore.presets import LMBDA
from sccore.utils.errors import InputError

TRIES = 12  # files at most
SIZE = 0.98  # of the size that was asked for, at least
PSNR = 0.1  # dB above what was asked for, at most
GROWTH = {"size": 0.5, "psnr": 2.5}  # of ln(size) and of dB with ln(lambda), to begin with


class Unreachable(InputError):
    """No lambda of the model gives what was asked for."""


def reach(
    encode: Callable[[float], bytes],
    image: np.ndarray,
    model: Hyperprior,
    size: float | None,
    psnr: float | None,
    progress: bool = False,
    refined: Callable[[float], bytes] | None = None,
) -> bytes:
    """The file whose size is just below `size`, or whose PSNR is just above `psnr`.

    Where every lambda gives less than it may, or more than it must, the file is that of the last lambda, and a warning says so.

    Args:
        encode: lambda -> file.
        image: what the file is compared with, uint8 (H, W, 3).
        size: bytes, or
        psnr: dB of the learned picture.
        progress: show each file as it is tried.
        refined: lambda -> file, slowly; its files are the ones that count, if one of them fits. `encode` then finds where to begin.

    Raises:
        Unreachable: below the smallest size or above the best quality, which it says.
        InputError: a model of one rate.
    """
    if not model.lambdas:
        raise InputError("these weights have one rate; a size or quality can be reached with those of a variable rate")
    with tqdm(desc="lambda", unit=" files", disable=None if progress else True, leave=False) as bar:

        def measure(encode, lmbda):
            data = encode(lmbda)
            value = math.log(len(data)) if size else quality(image, sci.picture(container.unpack(data), model))
            bar.update()
            bar.set_postfix_str(f"{lmbda:.5f}: {len(data)} bytes" + ("" if size else f", {value:.2f} dB"))
            return value, data

        low, high = (math.log(SIZE * size), math.log(size)) if size else (psnr, psnr + PSNR)
        tried = search(partial(measure, encode), model.lambdas, (low, high), growth := GROWTH["size" if size else "psnr"])
        passes = [tried]
        if refined:
            nearest = min(tried, key=lambda one: abs(one[1] - (low + high) / 2))[0]
            passes.append(search(partial(measure, refined), model.lambdas, (low, high), growth, nearest))
    shown = lambda value: f"{round(math.exp(value))} bytes" if size else f"{value:.2f} dB"
    fits = lambda one: one[1] <= high if size else one[1] >= low
    fitting = next(filter(None, ([*filter(fits, tried)] for tried in reversed(passes))), [])
    if not fitting:
        tried = [one for tried in passes for one in tried]
        lmbda, value, _ = min(tried) if size else max(tried)
        what = f"{size:.0f} bytes are too few: the smallest file" if size else f"{psnr:g} dB are too many: the best picture"
        raise Unreachable(f"{what} of these weights has {shown(value)}, at lambda {lmbda:g}")
    best = max(fitting, key=lambda one: one[1]) if size else min(fitting, key=lambda one: len(one[2]))
    if not low <= best[1] <= high and best[0] == model.lambdas[-1 if size else 0]:
        warnings.warn(f"the {'largest' if size else 'smallest'} file of these weights has {shown(best[1])}", stacklevel=3)
    return best[2]


def search(measure: Callable, lambdas: tuple[float, ...], window: tuple[float, float], growth: float, first: float = LMBDA) -> list[tuple]:
    """What was tried until a value lay in the window, or none could: [(lambda, value, what else `measure` gave)].

    The secant through the two values that are nearest, held between the lambdas that are known to lie on either side; halving
    where it leads out of them.

    Args:
        measure: lambda -> (value, anything); values rise with lambda.
        lambdas: ascending; the first and the last bound the search.
        growth: of the value with ln(lambda), for the second try.
        first: the lambda of the first try.
    """
    (low, high), (below, above) = window, (lambdas[0], lambdas[-1])
    tried: list[tuple] = []
    lmbda = min(max(first, below), above)
    while len(tried) < TRIES:
        tried.append((lmbda, *measure(lmbda)))
        value, known = tried[-1][1], [one[0] for one in tried]
        if low <= value <= high:
            break
        below, above = (lmbda, above) if value < low else (below, lmbda)
        if below in known and above in known and above / below < 1 + 1e-5 or lmbda == lambdas[-1 if value < low else 0]:
            break
        lmbda = _next(tried, (low + high) / 2, growth)
        if not below <= lmbda <= above:
            lmbda = below if lmbda < below else above
        if lmbda in known:
            lmbda = math.sqrt(below * above)
    return tried


def _next(tried, aim, growth):
    """Where a line through the two tries that are nearest to the aim meets it."""
    near = sorted(tried, key=lambda one: abs(one[1] - aim))[:2]
    at, value = math.log(near[0][0]), near[0][1]
    if len(near) == 2 and (slope := (near[1][1] - value) / (math.log(near[1][0]) - at)) > growth / 10:
        growth = slope
    return math.exp(at + max(-10, min(10, (aim - value) / growth)))


def quality(image: np.ndarray, decoded: np.ndarray) -> float:
    """PSNR in dB over all pixels and channels; infinite for equal images."""
    mse = errors(image, decoded)
    return float(10 * np.log10(255**2 / mse)) if mse else math.inf
