"""Structural enhancement module (Section 3.3): FEM reads the priors, NESFT lets them steer the features.

Song et al.'s SFT and condition block (ICCV 2021), which the paper replaces (Table 2), stand beside them. Every site
starts as the identity, so a trained backbone keeps its output when the sites are put in.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import torch
import torch.nn.functional as F
from compressai.layers import conv1x1, conv3x3
from torch import Tensor, nn

from sccore.layers import GELU, conv, conv_chain, deconv
from sccore.utils.beside import in_strips

PARTS = "fem", "sem_a", "sem_s", "sem_h"  # of SFTIP, beside the backbone's
TRANSFORMS = "g_a", "g_s", "g_seg", *PARTS  # of every codec: what turns pixels into y, and back


def fit_size(features: Tensor, size: torch.Size) -> Tensor:
    """Prior features at the size (h, w) of the backbone's: averaged down or repeated up."""
    return features if features.shape[-2:] == size else F.adaptive_avg_pool2d(features, size)


class NESFT(nn.Module):
    """Nonlinear enhancement spatial feature transform: x * (1 + gamma) + beta (Eq. 7).

    Args:
        channels: of the backbone features x.
        prior: channels of the prior features.
        hidden: width of the part that gamma and beta share.
    """

    def __init__(self, channels: int, prior: int, hidden: int):
        super().__init__()
        self.shared = nn.Sequential(conv1x1(prior, hidden), GELU(), conv3x3(hidden, hidden), GELU(), conv1x1(hidden, hidden))
        self.affine = identity_affine(hidden, channels)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        def transform(x: Tensor, features: Tensor) -> tuple[Tensor]:
            gamma, beta = self.affine(self.shared(features)).chunk(2, dim=1)
            return (x * (1 + gamma) + beta,)

        return in_strips(transform, (x, fit_size(features, x.shape[-2:])), rows=48, halo=2)[0]


class SFT(nn.Module):
    """Song et al.'s spatial feature transform: one convolution and a ReLU instead of NESFT's three layers."""

    def __init__(self, channels: int, prior: int, hidden: int):
        super().__init__()
        self.shared = nn.Sequential(conv3x3(prior, hidden), nn.ReLU())
        self.affine = identity_affine(hidden, channels)

    forward = NESFT.forward


def identity_affine(hidden: int, channels: int) -> nn.Conv2d:
    """The convolution that gives gamma and beta; zero at first, so that the transform starts as the identity."""
    conv = conv3x3(hidden, 2 * channels)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


class TransformBlock(nn.Module):
    """Residual block of two feature transforms; its last convolution starts at zero.

    dx = conv3(lrelu(T(x))), dx = conv3(lrelu(T(dx))), out = x + dx, where T is NESFT or SFT.
    """

    def __init__(self, transform: type[nn.Module], channels: int, prior: int, hidden: int):
        super().__init__()
        self.transforms = nn.ModuleList(transform(channels, prior, hidden) for _ in range(2))
        self.convs = nn.ModuleList(conv(channels, channels, 3, stride=1) for _ in range(2))
        nn.init.zeros_(self.convs[1].weight)
        nn.init.zeros_(self.convs[1].bias)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        dx = x
        for transform, convolution in zip(self.transforms, self.convs):
            dx = convolution(F.leaky_relu(transform(dx, features), 0.2))
        return x + dx


class FEM(nn.Module):
    """Feature extraction module: prior features at every size the backbone has.

    Three branches, each a first stage and three more, one octave apart. With f prior channels:

        analysis   (x, g')        -> f at H, H/2, H/4, H/8                for g_a
        hyper      (y, g' pooled) -> f at H/16, H/32, H/64, H/128         for h_a
        synthesis  (z_hat, y_hat) -> f at H/16, H/8, H/4, H/2             for g_s, from decoded data only (w of Eq. 4)
    """

    def __init__(self, y_ch: int, z_ch: int, prior: int, stem: tuple[int, ...]):
        super().__init__()
        down = lambda: nn.Sequential(conv1x1(prior, prior), GELU(), conv3x3(prior, prior, stride=2), GELU(), conv1x1(prior, prior))
        up = lambda: nn.Sequential(conv1x1(prior, prior), GELU(), deconv(prior, prior, 3), GELU(), conv1x1(prior, prior))
        self.a = nn.ModuleList([conv_chain(3 + 3, *stem, prior), down(), down(), down()])
        self.h = nn.ModuleList([conv_chain(y_ch + 3, *stem, prior), down(), down(), down()])
        self.w = nn.Sequential(deconv(z_ch, z_ch, 3), GELU(), deconv(z_ch, z_ch, 3), GELU(), conv3x3(z_ch, z_ch))
        self.s = nn.ModuleList([conv_chain(z_ch + y_ch, *stem, prior), up(), up(), up()])

    def analysis(self, x: Tensor, g: Tensor, count: int = 4) -> list[Tensor]:
        """Phi_1 of Eq. 1, or the first `count` of it. x, g: (B, 3, H, W)."""
        return octaves(self.a[:count], torch.cat([g, x], dim=1))

    def hyper(self, y: Tensor, g: Tensor) -> list[Tensor]:
        """Phi_2 of Eq. 3. y: (B, M, H/16, W/16); g is averaged to that size (g'_1)."""
        return octaves(self.h, torch.cat([fit_size(g, y.shape[-2:]), y], dim=1))

    def synthesis(self, y_hat: Tensor, z_hat: Tensor, count: int = 4) -> list[Tensor]:
        """Phi_3 of Eq. 4, or the first `count` of it. y_hat: (B, M, H/16, W/16), z_hat: (B, Z, H/64, W/64)."""
        return octaves(self.s[:count], torch.cat([self.w(z_hat), y_hat], dim=1))


class ConditionBlock(FEM):
    """Song et al.'s condition networks at the same sites: fewer layers, LeakyReLU 0.1."""

    def __init__(self, y_ch: int, z_ch: int, prior: int, stem: tuple[int, ...]):
        nn.Module.__init__(self)
        act = lambda: nn.LeakyReLU(0.1)
        first = lambda in_ch: nn.Sequential(conv_chain(in_ch, *stem, prior, act=act), act())
        down = lambda: nn.Sequential(conv3x3(prior, prior, stride=2), act(), conv1x1(prior, prior))
        up = lambda: nn.Sequential(deconv(prior, prior, 3), act(), conv1x1(prior, prior))
        self.a = nn.ModuleList([first(3 + 3), down(), down(), down()])
        self.h = nn.ModuleList([first(y_ch + 3), down(), down(), down()])
        self.w = nn.Sequential(deconv(z_ch, z_ch, 3), act(), deconv(z_ch, z_ch, 3))
        self.s = nn.ModuleList([first(z_ch + y_ch), up(), up(), up()])


def octaves(stages: nn.ModuleList, x: Tensor) -> list[Tensor]:
    """The output of every stage, each fed with the one before."""
    features = []
    for stage in stages:
        x = stage(x)
        features.append(x)
    return features
