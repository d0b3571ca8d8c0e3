"""An image as the tensors that transforms take, and back; and what is said where they do not fit into memory."""

from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sccore.hyperprior import Hyperprior
from sccore.utils.beside import one_thread
from sccore.utils.errors import InputError


@one_thread()
def to_tensors(image: np.ndarray, mask: np.ndarray | None, model: Hyperprior) -> tuple[Tensor, Tensor]:
    """Image and mask as (1, C, H', W'), extended by their last row and column to multiples of the model's stride."""
    device = next(model.parameters()).device
    height, width = image.shape[:2]
    if mask is not None and mask.shape != (height, width):
        raise InputError(f"mask is {mask.shape[1]}x{mask.shape[0]}, its image {width}x{height}")
    x = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255
    m = torch.ones_like(x[:, :1]) if mask is None else torch.from_numpy(mask).to(x)[None, None]
    padding = (0, -width % model.stride, 0, -height % model.stride)
    return F.pad(x, padding, mode="replicate"), F.pad(m, padding, mode="replicate")


@one_thread()
def to_image(x_hat: Tensor, height: int, width: int) -> np.ndarray:
    """x_hat (1, 3, H', W') as uint8 (H, W, 3), rounded and cropped."""
    pixels = (x_hat[0, :, :height, :width].clamp(0, 1) * 255).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()


@contextmanager
def memory_for(width: int, height: int):
    """Says in one line that an image is too large for this machine."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "alloc" in str(error) or "out of memory" in str(error):
            raise InputError(f"too little memory for {width}x{height} pixels") from None
        raise
