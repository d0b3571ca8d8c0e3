"""WACNN (Zou et al., CVPR 2022): the paper's baseline and the backbone of its model (Section 3.1)."""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from compressai.layers import GDN, conv3x3
from torch import nn

from sccore.attention import WAM
from sccore.entropy import SliceEntropyModel, hyper_synthesis
from sccore.layers import GELU, conv, conv_chain, deconv, keep_variance
from sccore.presets import PRESETS, Preset


class WACNN(SliceEntropyModel):
    """Window-attention convolutional codec (Zou et al., CVPR 2022), the paper's baseline and backbone.

    ::

        x ──► g_a ──► y ──► slices ──► y_hat ──► g_s ──► x_hat
                      └──► h_a ──► z ──► z_hat ─┘

    Args:
        widths: channel counts; the published ones unless given.
        lambdas: the rates of a variable-rate model, ascending, or None for a model of one rate.

    Example:
        >>> sccore.WACNN().y_ch  # the channels M of y
        320
    """

    def __init__(self, widths: Preset = PRESETS["paper"], lambdas: tuple[float, ...] | None = None):
        (n1, n2, n3), M, hyper, heads = widths.stages, widths.M, widths.hyper, widths.heads
        h_s = lambda: hyper_synthesis(*hyper[::-1])
        net = lambda seen, slice_ch: conv_chain(seen, *widths.cc, slice_ch)
        super().__init__(M, hyper[-1], hyper[0], h_s, net, lambdas, widths.centred)
        self.g_a = nn.Sequential(
            conv(3, n1),  # 0  (B, n1, H/2, W/2)
            GDN(n1),
            conv(n1, n2),  # 2  (B, n2, H/4, W/4)
            GDN(n2),
            WAM(n2, heads, window=8, shift=4),
            conv(n2, n3),  # 5  (B, n3, H/8, W/8)
            GDN(n3),
            conv(n3, M),  # 7  (B, M, H/16, W/16)
            WAM(M, heads, window=4, shift=2),
        )
        self.g_s = nn.Sequential(
            WAM(M, heads, window=4, shift=2),  # 0  (B, M, H/16, W/16)
            deconv(M, n3),  # 1  (B, n3, H/8, W/8)
            GDN(n3, inverse=True),
            deconv(n3, n2),  # 3  (B, n2, H/4, W/4)
            GDN(n2, inverse=True),
            WAM(n2, heads, window=8, shift=4),
            deconv(n2, n1),  # 6  (B, n1, H/2, W/2)
            GDN(n1, inverse=True),
            deconv(n1, 3),  # 8  (B, 3, H, W)
        )
        a, b, c, d, e = hyper
        self.h_a = nn.Sequential(
            conv3x3(M, a),
            GELU(),  # 0  (B, a, H/16, W/16)
            conv3x3(a, b),
            GELU(),  # 2
            conv3x3(b, c, stride=2),
            GELU(),  # 4  (B, c, H/32, W/32)
            conv3x3(c, d),
            GELU(),  # 6
            conv3x3(d, e, stride=2),  # 8  (B, e, H/64, W/64)
        )
        for transform in (*(self.g_a[i] for i in (0, 2, 5, 7)), self.h_a, self.h_mean_s, self.h_scale_s):
            keep_variance(transform)
