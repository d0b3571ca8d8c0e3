"""A small picture of a .sci file in a part of the time: from the first slices of y, without the synthesis.

The string of y holds its slices one after the other (:mod:`sccore.entropy`), and the first carry what a reduced picture needs. A single
linear map, fitted to other pictures by :mod:`sccore.training.preview`, makes 4x4 points of each position and its eight neighbours.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from sccore.codecs import container
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

if TYPE_CHECKING:
    from sccore.hyperprior import Hyperprior

SLICES, SMALLER = 2, 4  # that are decoded; sides of the picture by those of the preview
FILE = "preview.npz"  # in data/checkpoints


class Linear(NamedTuple):
    """The map, and which weights it belongs to.

    Args:
        kernel: (3 * 4 * 4, channels, 3, 3).
        bias: (3 * 4 * 4,).
        weights: sha256 of the checkpoints with this y.
    """

    kernel: np.ndarray
    bias: np.ndarray
    weights: tuple[str, ...]


@lru_cache(maxsize=1)
def shipped() -> Linear | None:
    """The map in the repository; None if there is none."""
    path = paths.CHECKPOINTS / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            return Linear(file["kernel"].astype(np.float32), file["bias"], tuple(map(str, file["weights"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: damaged ({error})") from None


def save(linear: Linear, path: Path | str) -> None:
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, kernel=linear.kernel.astype(np.float16), bias=linear.bias.astype(np.float32), weights=np.array(linear.weights))


def preview(file: container.File, model: "Hyperprior | Path | str | None" = None) -> np.ndarray | None:
    """A quarter of a learned picture's width and height, rounded up: uint8 (h, w, 3), without alpha; None if the map is of other weights.

    Raises:
        InputError: as of :func:`sccore.decode`.
    """
    from sccore.codecs import sci

    model = sci.weights_for(file, model)
    if not (linear := shipped()) or model.checkpoint_hash not in linear.weights:
        return None
    return apply(linear, sci.first_slices(file, model, SLICES), file.height, file.width)


def apply(linear: Linear, y_hat, height: int, width: int) -> np.ndarray:
    """The preview of slices (1, channels, H/16, W/16), uint8 (H/4, W/4, 3)."""
    import torch
    import torch.nn.functional as F

    from sccore.codecs import tensors

    with torch.no_grad():
        around = F.pad(y_hat.float().cpu(), (1, 1, 1, 1), mode="replicate")
        points = F.conv2d(around, torch.from_numpy(linear.kernel), torch.from_numpy(linear.bias))  # (1, 48, H/16, W/16)
        return tensors.to_image(F.pixel_shuffle(points, SMALLER), -(-height // SMALLER), -(-width // SMALLER))


def reduced(image: np.ndarray) -> np.ndarray:
    """An image, or a layer of one, with each 4x4 points as their mean."""
    return np.asarray(Image.fromarray(image).reduce(SMALLER))
