"""Natural or synthetic: the second task of ms2020-2-Decoder, with targets made from the pixels alone.

Heris & Bajić (ISCAS 2023) train with segmentation maps. Our training images have none, so the target here is a rule of
ours: screens repeat colours exactly, photographs hardly ever do.
"""

import math

import torch.nn.functional as F
from torch import Tensor

BLOCK = 16  # pixels a side, the step of y
FLAT = 0.5  # a block with a smaller share of repeated pixels is natural


def natural_map(x: Tensor) -> Tensor:
    """1 where a block is natural, 0 where it is synthetic: x (B, 3, H, W) -> (B, 1, H/16, W/16).

    A pixel is repeated if it has exactly the colour of its left or of its upper neighbour. A block is natural if few of
    the pixels in the 3 x 3 blocks around it are: a smooth part of a photograph is not taken for a screen by itself.
    """
    left = (x[..., 1:, 1:] == x[..., 1:, :-1]).all(1, keepdim=True)
    above = (x[..., 1:, 1:] == x[..., :-1, 1:]).all(1, keepdim=True)
    repeated = F.pad((left | above).to(x.dtype), (1, 0, 1, 0), mode="replicate")
    share = F.avg_pool2d(F.avg_pool2d(repeated, BLOCK), 3, stride=1, padding=1, count_include_pad=False)
    return (share < FLAT).to(x.dtype)


def segmentation_loss(logits: Tensor, x: Tensor) -> Tensor:
    """Cross-entropy in bits between a map of logits (B, 1, H, W) and :func:`natural_map`, averaged over all pixels."""
    target = F.interpolate(natural_map(x), scale_factor=BLOCK)
    return F.binary_cross_entropy_with_logits(logits.float(), target) / math.log(2)
