"""Coding as one uses it: any image, the default weights, and the text mask that is made unless one is given.

`python -m sccore encode` and `decode` call what is here; the bytes of a file and how they come about are in :mod:`sccore.codecs.sci`.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from sccore.codecs import sci
from sccore.codecs.checkpoint import find, load_model
from sccore.data.images import read_image, read_mask
from sccore.hyperprior import Hyperprior
from sccore.presets import LMBDA
from sccore.utils.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = Union[np.ndarray, Path, str, "Image"]
Weights = Hyperprior | Path | str | None
Mask = np.ndarray | Path | str | None


def encode(
    image: Picture,
    model: Weights = None,
    lmbda: float | None = None,
    mask: Mask = None,
    *,
    detector: str | None = None,
    adapter_steps: int = 0,
) -> bytes:
    """An image as the bytes of a .sci file (Section 3.1); the same bytes as `python -m sccore encode` writes.

    Args:
        image: uint8 (H, W, 3) in RGB, or the path of a file, or an image of Pillow; any size from 1x1.
        model: what :func:`sccore.codecs.checkpoint.load_model` takes or gave; None is the shipped "sftip", or what is shipped for this lambda.
        lmbda: rate, from 0.0018 (small) to 0.025 (faithful); None is 0.0067, or a fixed-rate model's own.
        mask: of the text, bool (H, W) or the path of an image; None lets a detector make it, see :func:`text_mask`.
        detector: which one; "none" stands for text everywhere.
        adapter_steps: of a WACNN, gradient steps to fit adapters of its decoder in, see :mod:`sccore.codecs.dec_adapter`.

    Raises:
        InputError: an image, mask, model or lambda that cannot be used; says why.

    Example:
        >>> screen = np.full((48, 64, 3), 255, np.uint8)
        >>> sccore.decode(sccore.encode(screen)).shape
        (48, 64, 3)
    """
    pixels = as_pixels(image)
    net = model if isinstance(model, Hyperprior) else load_model(find(lmbda=lmbda) if model is None else model)
    seen, _ = text_mask(pixels, net, mask, detector)
    return sci.encode(pixels, net, default_lmbda(net, lmbda), seen, adapter_steps=adapter_steps)


def decode(data: bytes | Path | str, model: Weights = None, max_pixels: int = sci.MOST_PIXELS) -> np.ndarray:
    """The image of a .sci file, uint8 (H, W, 3) in RGB.

    Args:
        data: the file's bytes, or its path.
        model: the weights that encoded it, or their file; None looks for them by identity among the shipped and local checkpoints.
        max_pixels: a larger image is refused before anything is computed.

    Raises:
        InputError: not a .sci file, another version, damaged, too large, or other weights needed; says which.

    Example:
        >>> data = sccore.encode(np.zeros((16, 16, 3), np.uint8), detector="none")
        >>> sccore.decode(data).dtype
        dtype('uint8')
    """
    content = sci.read_file(data) if isinstance(data, (Path, str)) else bytes(data)
    return sci.decode(content, model, max_pixels)


def text_mask(image: Picture, model: Hyperprior | None = None, mask: Mask = None, detector: str | None = None) -> tuple[np.ndarray, str]:
    """The text mask M (Section 3.2) to encode an image with, and where it comes from: the one definition of the default.

    A mask that is given is taken; else a detector makes it, the best that can run here unless one is named, at the image's
    own scale. None runs for a model that does not look at the mask.

    Args:
        image: as for :func:`encode`.
        model: that will encode it; None is one that looks at the mask.
        mask: bool (H, W), or the path of an image of this size.
        detector: a name of :data:`sccore.text.masks.DETECTORS`, or "none" for text everywhere.

    Returns:
        the mask, bool (H, W), and a label: of the detector, the name of the mask's file, or why there is text everywhere.

    Raises:
        InputError: mask and detector together, a mask of another size, or a detector that cannot run.

    Example:
        >>> mask, label = sccore.text_mask(np.zeros((32, 32, 3), np.uint8), detector="none")
        >>> mask.all(), label
        (True, 'text everywhere')
    """
    pixels = as_pixels(image)
    size = pixels.shape[0], pixels.shape[1]
    if mask is not None and detector:
        raise InputError("a mask and a detector exclude each other")
    if isinstance(mask, np.ndarray):
        if mask.shape != size:
            raise InputError(f"mask is {'x'.join(map(str, mask.shape[::-1]))}, its image {size[1]}x{size[0]}")
        return mask.astype(bool), "given"
    if mask is not None:
        return read_mask(mask, size), Path(mask).name
    if detector == "none":
        return np.ones(size, bool), "text everywhere"
    if model is not None and model.spec.get("prior") != "text+structure":
        return np.ones(size, bool), "not used by this model"
    from sccore.text import masks  # with OpenCV, which nothing else of coding needs
    from sccore.text.craft_weights import COMMAND

    chosen = masks.load(detector or masks.best_available())
    if not detector and chosen.weights is None:
        warnings.warn(f"text mask by {chosen.label}; weights of one come with: {COMMAND}", stacklevel=2)
    return masks.mask(pixels, chosen), chosen.label


def default_lmbda(model: Hyperprior, lmbda: float | None) -> float | None:
    """The lambda to code at: as asked, the middle of a variable-rate model's, or None for the one a fixed-rate model has."""
    return lmbda if lmbda is not None or model.lambdas is None else LMBDA


def as_pixels(image: Picture) -> np.ndarray:
    """An image as uint8 (H, W, 3) in RGB; files and Pillow's images are converted as :func:`sccore.data.images.read_image` does."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(f"an image is uint8 (H, W, 3), this array {image.dtype} {image.shape}")
        return image
    if isinstance(image, (str, Path)):
        return read_image(image)
    if not hasattr(image, "save"):
        raise InputError(f"an image is an array, the path of a file or an image of Pillow, not {type(image).__name__}")
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "png", compress_level=0)
    return read_image(file, "image")
