"""ms2020-2-Decoder: a codec that learns beside the picture to tell natural content from synthetic.

Heris & Bajić (ISCAS 2023) take the channel-conditional codec of Minnen & Singh (ICIP 2020) and train a second synthesis
transform with it, which outputs a segmentation map. The map is never coded: the task shapes y, and is left out
once the codec is in use. The widths are the published ones in the preset "paper".

They train with segmentation maps. Our training images have none, so the target here is a rule of ours on the pixels alone: screens
repeat colours exactly, photographs hardly ever do.
"""

import math

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import torch.nn.functional as F
from compressai.layers import GDN, conv3x3
from torch import Tensor, nn

from sccore.entropy import SliceEntropyModel
from sccore.layers import conv, deconv, keep_variance
from sccore.presets import Preset

BLOCK = 16  # pixels a side, the step of y
FLAT = 0.5  # a block with a smaller share of repeated pixels is natural
SEGMENTATION = 0.1  # bits per pixel that a bit of cross-entropy of the second task is worth


class MS2020(SliceEntropyModel):
    """Minnen & Singh's transforms and slice networks, and Heris & Bajić's second synthesis transform.

    ::

        x ──► g_a ──► y ──► slices ──► y_hat ──┬─► g_s ──► x_hat
                                               └─► g_seg ──► natural or synthetic (in training alone)

    Args:
        widths: channel counts; `ms` is N, the transforms', M is y's; every second one of `hyper` and of `cc`.
        lambdas: the rates of a variable-rate model, ascending, or None for a model of one rate.
    """

    def __init__(self, widths: Preset, lambdas: tuple[float, ...] | None = None):
        N, M = widths.ms, widths.M
        a, b, c = widths.hyper[::2]  # 320, 256, 192 as published
        h_s = lambda: nn.Sequential(deconv(c, c), nn.ReLU(), deconv(c, b), nn.ReLU(), conv3x3(b, a))
        super().__init__(M, c, a, h_s, lambda seen, slice_ch: slice_net(seen, *widths.cc[::2], slice_ch), lambdas, widths.centred)
        self.g_a = nn.Sequential(conv(3, N), GDN(N), conv(N, N), GDN(N), conv(N, N), GDN(N), conv(N, M))  # (B, M, H/16, W/16)
        self.g_s = synthesis_transform(M, N, 3)  # (B, 3, H, W)
        self.g_seg = synthesis_transform(M, N, 1)  # (B, 1, H, W), logits of "natural"
        self.h_a = nn.Sequential(conv3x3(M, a), nn.ReLU(), conv(a, b), nn.ReLU(), conv(b, c))  # (B, c, H/64, W/64)
        for transform in (self.g_a, self.h_a, self.h_mean_s, self.h_scale_s):
            keep_variance(transform)

    def forward(self, x: Tensor, mask: Tensor | None = None, lmbda: Tensor | float | None = None, level: Tensor | None = None) -> dict:
        """As every model's; in training the logits (B, 1, H, W) of "natural" are there too, and what they cost as "task"."""
        output = super().forward(x, mask, lmbda, level)
        if not self.training:
            return output
        logits = self.g_seg(output["y_hat"])
        return output | {"segmentation": logits, "task": SEGMENTATION * segmentation_loss(logits, x)}


def synthesis_transform(M: int, N: int, out_ch: int) -> nn.Sequential:
    """Four transposed convolutions from y's size to the image's, inverse GDN between."""
    igdn = lambda: GDN(N, inverse=True)
    return nn.Sequential(deconv(M, N), igdn(), deconv(N, N), igdn(), deconv(N, N), igdn(), deconv(N, out_ch))


def slice_net(seen: int, first: int, second: int, slice_ch: int) -> nn.Sequential:
    """A slice's mean, scale or residual: two 5x5 convolutions and a 3x3 one, ReLU between (224 and 128 as published)."""
    return nn.Sequential(conv(seen, first, stride=1), nn.ReLU(), conv(first, second, stride=1), nn.ReLU(), conv3x3(second, slice_ch))


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
