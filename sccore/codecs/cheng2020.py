"""cheng2020: residual blocks, attention and a serial context model (Cheng et al., CVPR 2020).

The layers are CompressAI's, whose variant the field compares with: one Gaussian a coefficient instead of a mixture. The
context model is the published one, a masked 5x5 convolution over what is decoded. What is ours is how it is run:
positions that do not see each other are decoded together, and in exact arithmetic.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from typing import Iterator

import torch
import torch.nn.functional as F
from compressai import layers
from compressai.layers import AttentionBlock, ResidualBlock, conv3x3
from compressai.ops import quantize_ste
from torch import Tensor, nn

from sccore.hyperprior import Hyperprior, Residual
from sccore.layers import keep_variance
from sccore.presets import Preset

REACH = 2  # of the context, in positions to each side


class MaskedConv2d(layers.MaskedConv2d):
    """CompressAI's, whose weight stays in its place: what was captured as a graph goes on reading there. Masking counts as no change of it."""

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data.mul_(self.mask)
        return nn.Conv2d.forward(self, x)


class Cheng2020(Hyperprior):
    """Cheng et al.'s attention variant with a joint autoregressive and hierarchical entropy model.

    ::

        z_hat ──► h_s ──────────────────────────┐
        y_hat, earlier positions ──► context ───┴─► entropy_parameters ──► mu, sigma of a position

    Means and scales describe y, the gain of a rate acts on what is left, as in :mod:`sccore.entropy`.

    Args:
        widths: channel counts; `cheng` holds N, the transforms' and z's, and M, y's.
        lambdas: the rates of a variable-rate model, ascending, or None for a model of one rate.
    """

    predictors = ("context_prediction", "entropy_parameters")
    drivers = ("h_s", *predictors)

    def __init__(self, widths: Preset, lambdas: tuple[float, ...] | None = None):
        import sccore.utils.torchvision_ops  # noqa: F401  which this part of CompressAI imports

        # isort: split
        from compressai.models import Cheng2020Attention

        N, M = widths.cheng
        super().__init__(M, N, widths.centred)
        whole, act = Cheng2020Attention(N), nn.LeakyReLU
        self.g_a = nn.Sequential(*whole.g_a[:7], conv3x3(N, M, stride=2), AttentionBlock(M))  # (B, M, H/16, W/16)
        self.g_a[0].skip = Subsampling(3, N, 1)
        self.g_s = nn.Sequential(AttentionBlock(M), ResidualBlock(M, N), *whole.g_s[2:])  # (B, 3, H, W)
        self.h_a = nn.Sequential(conv3x3(M, N), *whole.h_a[1:])  # (B, N, H/64, W/64)
        self.h_s = nn.Sequential(*whole.h_s[:-1], conv3x3(N * 3 // 2, 2 * M))  # (B, 2 M, H/16, W/16)
        self.context_prediction = MaskedConv2d(M, 2 * M, 2 * REACH + 1)
        self.entropy_parameters = nn.Sequential(
            nn.Conv2d(4 * M, M * 10 // 3, 1), act(), nn.Conv2d(M * 10 // 3, M * 8 // 3, 1), act(), nn.Conv2d(M * 8 // 3, 2 * M, 1)
        )
        self.set_rates(lambdas)
        for transform in (*(self.g_a[i] for i in (0, 2, 5, 7)), self.h_a, self.h_s):
            keep_variance(transform)

    def predict(self, nets, side: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """mu and sigma from what z tells, (B, 2 M, h, w), and what is decoded around, (B, M, h + 4, w + 4)."""
        sigma, mu = nets.entropy_parameters(torch.cat([side, nets.context_prediction(seen)], dim=1)).chunk(2, dim=1)
        return mu, sigma

    def decode_parts(self, nets, z_hat: Tensor, residual: Residual) -> Tensor:
        """Position after position, a front of them at a time; see :meth:`sccore.hyperprior.Hyperprior.decode_parts`.

        mu and sigma of a front of P positions are (B, M, P, 1).
        """
        side = nets.h_s(z_hat)
        batch, _, height, width = side.shape
        seen = side.new_zeros(batch, self.y_ch, height + 2 * REACH, width + 2 * REACH)
        around = torch.arange(2 * REACH + 1, device=side.device)
        for rows, columns in fronts(height, width, side.device):
            part = lambda t: t if t.shape[-1] == 1 else t[:, :, rows, columns, None]  # a gain is the same everywhere
            patches = seen[:, :, rows[:, None, None] + around[:, None], columns[:, None, None] + around]
            patches = patches.transpose(1, 2).flatten(0, 1)  # (B P, M, 5, 5)
            own = part(side).transpose(1, 2).reshape(len(patches), -1, 1, 1)  # (B P, 2 M, 1, 1)
            mu, sigma = (t.view(batch, -1, self.y_ch, 1).transpose(1, 2) for t in self.predict(nets, own, patches))
            seen[:, :, rows + REACH, columns + REACH] = (mu + residual(part, mu, sigma))[..., 0]
        return seen[:, :, REACH:-REACH, REACH:-REACH]

    def code_latents(self, y: Tensor, z: Tensor, level: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Quantisation and likelihoods for training and estimation.

        In training the context sees additive noise, so that all positions are predicted at once, and g_s sees values
        rounded straight through. In evaluation the context is what the decoder will have.
        """
        z_hat, z_likelihood = self.code_z(z, level)
        gain, inverse = (g.to(y.dtype) for g in self.gain_y(level))
        if self.training:
            context = y + torch.empty_like(y).uniform_(-0.5, 0.5) * inverse
        else:
            rounded = lambda part, mu, sigma: ((part(y) - mu) * part(gain)).round() * part(inverse)
            context = self.decode_parts(self, z_hat, rounded)
        mu, sigma = self.predict(self, self.h_s(z_hat), F.pad(context, 4 * (REACH,)))
        r = (y - mu) * gain
        likelihood = self.gaussian_conditional(r, sigma * gain)[1]
        return mu + quantize_ste(r) * inverse, z_hat, {"y": likelihood, "z": z_likelihood}


class Subsampling(nn.Conv2d):
    """A 1x1 convolution of every second row and column, what the library writes as a 1x1 convolution of stride 2.

    With three channels, channels last, that form crashes oneDNN's backward pass on CPUs (its issue 6035).
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[..., ::2, ::2])


def fronts(height: int, width: int, device) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns of the positions that can be decoded together, front after front.

    Row by row the context of (i, j) reaches to (i - 1, j + 2). What comes REACH + 1 columns behind the row above
    has it all: the positions of equal j + 3 i do not see each other, and h w positions take w + 3 (h - 1) fronts.
    """
    step = REACH + 1
    for front in range(width + step * (height - 1)):
        rows = torch.arange(max(0, -(-(front - width + 1) // step)), min(height, front // step + 1), device=device)
        yield rows, front - step * rows
