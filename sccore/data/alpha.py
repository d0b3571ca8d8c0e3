"""Transparency: a picture on white, and which colour is coded where none is seen."""

import numpy as np
from PIL import Image


def on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture as it looks on a white page.

    Args:
        rgb: uint8 (H, W, 3); alpha: uint8 (H, W), 255 is opaque.
    """
    image = Image.fromarray(np.dstack([rgb, alpha]))
    return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def with_hidden_filled(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture with other colours where alpha is 0: a smooth continuation of what is seen, which costs few bits.

    A hidden pixel has the mean colour of the visible ones in the smallest block around it, of 2, 4, 8 ... pixels a side, that has
    any; blocks are enlarged linearly. Where nothing is visible at all, it is white.
    """
    return _filled(rgb.astype(np.float32), (alpha > 0).astype(np.float32)).round().clip(0, 255).astype(np.uint8)


def _filled(colour, weight):
    """colour (h, w, 3) where weight (h, w) is above 0, and what lies around it elsewhere."""
    if weight.all():
        return colour
    if not weight.any():
        return np.full_like(colour, 255)
    height, width = weight.shape
    even = lambda a: np.pad(a, [(0, height % 2), (0, width % 2)] + [(0, 0)] * (a.ndim - 2))
    quarter = lambda a: sum(even(a)[i::2, j::2] for i in (0, 1) for j in (0, 1))
    total = quarter(weight)
    coarse = _filled(quarter(colour * weight[..., None]) / np.maximum(total, 1)[..., None], (total > 0).astype(np.float32))
    channels = [Image.fromarray(coarse[..., i]).resize((width, height), Image.Resampling.BILINEAR) for i in range(3)]
    return np.where(weight[..., None] > 0, colour, np.dstack([np.asarray(channel) for channel in channels]))
