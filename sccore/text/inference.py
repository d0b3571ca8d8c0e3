"""Large images through a network in overlapping tiles, so that memory does not grow with the image.

Tiles begin at multiples of 32, where the networks' own grids begin; each gives the part that lies inside the middle of
its overlaps. Cuts lie on multiples of 16, so that maps of any stride up to 16 can be put together.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sccore.utils.device import native_bf16

STEP = 32  # images are padded to multiples of it
AREA = 3 * 2**19  # pixels that go through the network at once; CRAFT on an 8K screenshot then takes 1.8 GB in all
OVERLAP = 192  # pixels that neighbouring tiles share; half of it is what the network sees around each kept pixel


def padded(image: np.ndarray) -> tuple[int, int]:
    """Height and width of an image, up to multiples of STEP."""
    return tuple(-(-n // STEP) * STEP for n in image.shape[:2])


def tiles(
    image: np.ndarray, device: torch.device, mean: tuple, std: tuple, area: int = AREA
) -> Iterator[tuple[Tensor, tuple[int, int], tuple[int, int, int, int]]]:
    """The tiles of an image, with black below and right of it up to multiples of STEP.

    Args:
        image: uint8 (H, W, 3), RGB.
        mean, std: of RGB in [0, 1], taken out of the pixels.
        area: the most pixels of a tile.

    Yields:
        x (1, 3, h, w), channels last; (top, left) of the tile in the image; and what is to be kept of it, (y0, y1, x0,
        x1) in pixels of the tile. The kept parts cover the image once.
    """
    height, width = padded(image)
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    mean, std = (torch.tensor(v, device=device)[:, None, None] * 255 for v in (mean, std))
    rows, columns = tiling(height, width, area)
    for top, bottom, y0, y1 in rows:
        for left, right, x0, x1 in columns:
            x = torch.from_numpy(canvas[top:bottom, left:right]).to(device).permute(2, 0, 1)[None]
            x = ((x - mean) / std).contiguous(memory_format=torch.channels_last)
            yield x, (top, left), (y0 - top, y1 - top, x0 - left, x1 - left)


@torch.inference_mode()
def maps(net: nn.Module, image: np.ndarray, channels: int, stride: int, mean: tuple, std: tuple, area: int = AREA) -> np.ndarray:
    """What a network that gives `channels` maps at a stride says of an image, put together from its tiles.

    Returns:
        float32 (channels, H'/stride, W'/stride), where H' and W' are H and W up to multiples of STEP.
    """
    height, width = padded(image)
    whole = np.empty((channels, height // stride, width // stride), np.float32)
    for x, (top, left), keep in tiles(image, next(net.parameters()).device, mean, std, area):
        with autocast(x.device):
            part = net(x)[0].float().cpu().numpy()  # (channels, h/stride, w/stride)
        y0, y1, x0, x1 = (n // stride for n in keep)
        top, left = top // stride, left // stride
        whole[:, top + y0 : top + y1, left + x0 : left + x1] = part[:, y0:y1, x0:x1]
    return whole


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the machine computes it natively."""
    return torch.autocast(device.type, torch.bfloat16, enabled=native_bf16(device))


def tiling(height: int, width: int, area: int = AREA) -> tuple[list[tuple], list[tuple]]:
    """Rows and columns of the grid of tiles, of at most `area` pixels each, that computes the fewest pixels.

    Each row or column is (start, stop, first kept, end of kept).
    """
    best = None
    for rows in (spans(height, n) for n in range(1, height // OVERLAP + 2)):
        for columns in (spans(width, n) for n in range(1, width // OVERLAP + 2)):
            tile = rows[0][1] * columns[0][1]
            work = len(rows) * len(columns) * tile
            if tile <= area and (best is None or work < best[0]):
                best = work, rows, columns
    return best[1:]


def spans(length: int, count: int) -> list[tuple[int, int, int, int]]:
    """`count` equal spans over a length, on multiples of STEP, that overlap by about OVERLAP."""
    size = min(length, -(-(length + (count - 1) * OVERLAP) // (count * STEP)) * STEP)
    starts = [round(i * (length - size) / max(count - 1, 1) / STEP) * STEP for i in range(count)]
    cuts = [0, *((a + size + b) // 4 * 2 for a, b in zip(starts, starts[1:])), length]
    return [(start, start + size, *kept) for start, kept in zip(starts, zip(cuts, cuts[1:]))]


def fold(net: nn.Module) -> nn.Module:
    """Merges each batch normalisation into the convolution before it: the same function in evaluation, less work."""
    for part in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        layers = list(part.named_children())
        for (before, conv), (name, norm) in zip(layers, layers[1:]):
            if isinstance(norm, nn.BatchNorm2d):
                setattr(part, before, fuse_conv_bn_eval(conv, norm))
                setattr(part, name, nn.Identity())
    return net
