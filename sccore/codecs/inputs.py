"""What coding is given, in the forms that a user has it in: the image, its text mask, the lambda."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from PIL import Image

from sccore.data.images import Picture, as_mask, read_mask, read_picture
from sccore.presets import LMBDA
from sccore.utils.errors import InputError, require

if TYPE_CHECKING:
    from sccore.hyperprior import Hyperprior

ImageLike = np.ndarray | Path | str | Image.Image | Picture
Weights = Union["Hyperprior", Path, str, None]
Mask = np.ndarray | Path | str | Image.Image | None


def as_picture(image: ImageLike, alpha: bool = True, metadata: bool = False) -> Picture:
    """An image in its layers; files and Pillow's images are converted as :func:`sccore.data.images.read_picture` does."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
            raise InputError(f"an image is uint8 (H, W, 3) or (H, W, 4), this array {image.dtype} {image.shape}")
        picture = Picture(image[..., :3], image[..., 3] if image.shape[2] == 4 and image[..., 3].min() < 255 else None)
        return picture if alpha else Picture(picture.flat)
    if isinstance(image, (str, Path, Image.Image)):
        return read_picture(image, "image" if isinstance(image, Image.Image) else None, alpha, metadata)
    raise InputError(f"an image is an array, the path of a file or an image of Pillow, not {type(image).__name__}")


def text_mask(
    image: ImageLike, model: "Hyperprior | None" = None, mask: Mask = None, detector: str | None = None
) -> tuple[np.ndarray, str]:
    """The text mask M (Section 3.2) to encode an image with, and where it comes from: the one definition of the default.

    A mask that is given is taken; else a detector makes it, the best that can run here unless one is named, at the image's
    own scale. None runs for a model that does not look at the mask.

    Args:
        image: as for :func:`sccore.codecs.coding.encode`.
        model: that will encode it; None is one that looks at the mask.
        mask: bool (H, W), or other numbers as :func:`sccore.data.images.as_mask` takes them, or the path of an image of this size,
            or one of Pillow.
        detector: a name of :data:`sccore.text.masks.DETECTORS`, or "none" for text everywhere.

    Returns:
        the mask, bool (H, W), and a label: of the detector, the name of the mask's file, or why there is text everywhere.

    Raises:
        InputError: mask and detector together, a mask of another size or type, or a detector that cannot run.

    Example:
        >>> mask, label = sccore.text_mask(np.zeros((32, 32, 3), np.uint8), detector="none")
        >>> mask.all(), label
        (True, 'text everywhere')
    """
    picture = as_picture(image)
    size = picture.rgb.shape[0], picture.rgb.shape[1]
    if mask is not None and detector:
        raise InputError("a mask and a detector exclude each other")
    if isinstance(mask, np.ndarray):
        return as_mask(mask, size), "given"
    if isinstance(mask, Image.Image):
        return read_mask(mask, size, "mask"), "given"
    if isinstance(mask, (str, Path)):
        return read_mask(mask, size), Path(mask).name
    if mask is not None:
        raise InputError(f"a mask is an array, the path of a file or an image of Pillow, not {type(mask).__name__}")
    if detector == "none":
        return np.ones(size, bool), "text everywhere"
    if model is not None and not model.sees_mask:
        return np.ones(size, bool), "not used by this model"
    from sccore.text import masks  # with OpenCV, which nothing else of coding needs
    from sccore.text.craft_weights import COMMAND

    if detector:
        require("detector", detector, [*masks.DETECTORS, "none"])
    chosen = masks.load(detector or masks.best_available())
    if not detector and chosen.weights is None:
        warnings.warn(f"text mask by {chosen.label}; weights of one come with: {COMMAND}", stacklevel=2)
    return masks.mask(picture.flat, chosen), chosen.label


def default_lmbda(model: "Hyperprior", lmbda: float | None) -> float | None:
    """The lambda to code at: as asked, the middle of a variable-rate model's, or None for the one a fixed-rate model has."""
    return lmbda if lmbda is not None or model.lambdas is None else LMBDA
