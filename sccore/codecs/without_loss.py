"""Pictures that are stored without loss: as they are, or reduced to a few colours before.

The second is what a learned picture of a plain screen has to beat.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from sccore.codecs import container, webp
from sccore.data.images import Picture

COUNTS = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # colours that are tried
RISES = 2  # tries in a row that cost more than the one before, after which no further one is made


def exact(picture: Picture, most: float = math.inf) -> container.File | None:
    """The picture as a lossless file; None if it is too large for one, or would, as a quick trial says, be larger than `most` bytes."""
    if most < math.inf and (tried := stored(picture, quick=True)) and webp.FULL * len(tried.lossless) > most:
        return None
    return stored(picture)


def stored(picture: Picture, quick: bool = False) -> container.File | None:
    """The picture without loss, by the search of :func:`sccore.codecs.webp.encode`; None if it is too large for that."""
    height, width = picture.rgb.shape[:2]
    layers = picture.rgb if picture.alpha is None else np.dstack([picture.rgb, picture.alpha])
    stream = webp.encode(layers, quick)
    return container.File(width, height, lossless=stream, exif=picture.exif, xmp=picture.xmp) if stream else None


def reduced(image: np.ndarray, colours: int) -> np.ndarray:
    """The picture in so many colours at most: by median cut, moved by three rounds of k-means, each pixel in the nearest, no dithering.

    Args:
        image: uint8 (H, W, 3).
        colours: 1 to 256.
    """
    made = Image.fromarray(image).quantize(colours, Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    return np.array(made.convert("RGB"))


def errors(image: np.ndarray, other: np.ndarray) -> float:
    """Mean squared error of 8-bit values."""
    return float((np.subtract(image, other, dtype=np.float32) ** 2).mean(dtype=np.float64))


def tries(image: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """The picture in ever more colours, and its :func:`errors`; the last is exact, or has as many as there can be."""
    for count in COUNTS:
        small = reduced(image, count)
        yield small, (wrong := errors(image, small))
        if not wrong:
            return


Cost = Callable[[int, float], float]  # of so many bytes and such errors; infinite if that is not what was asked for


def cost(size: float | None = None, psnr: float | None = None, lmbda: float = 0.0, pixels: int = 1) -> Cost:
    """Within a size the errors, from a PSNR on the bytes, else bits and lambda times errors, a pixel (Eq. 8)."""
    if size:
        return lambda length, wrong: wrong if length <= size else math.inf
    if psnr:
        return lambda length, wrong: length if wrong <= 255**2 / 10 ** (psnr / 10) else math.inf
    return lambda length, wrong: 8 * length / pixels + lmbda * wrong


def cheapest(picture: Picture, colours: np.ndarray, cost: Cost, quick: bool) -> tuple[float, bytes] | None:
    """The cheapest file of the picture in few colours, with its cost; None if there is none.

    Args:
        colours: of the picture, uint8 (H, W, 3), those under transparent pixels filled in.
        quick: as of :func:`sccore.codecs.webp.encode`.
    """
    best, last, rises = None, math.inf, 0
    for small, wrong in tries(colours):
        if math.isinf(cost(0, wrong)):
            continue
        if (file := stored(replace(picture, rgb=small), quick)) is None:
            return None
        data = container.pack(replace(file, few_colours=wrong > 0))
        price = cost(len(data), wrong)
        rises, last = (rises + 1 if price >= last else 0), price
        if price < (best[0] if best else math.inf):
            best = price, data
        elif best and rises == RISES:
            break
    return best
