"""Entropy model: channel slices and latent residual prediction, conditioned on a hyperprior.

Channel-conditional coding is Minnen & Singh's (ICIP 2020), as WACNN uses it and as the paper keeps it. One loop,
:meth:`SliceEntropyModel.decode_parts`, serves training, encoding and decoding.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from functools import partial
from typing import Callable

import torch
from compressai.layers import subpel_conv3x3
from compressai.ops import quantize_ste
from torch import Tensor, nn

from sccore.context import CONTEXTS, LATTICE, Context, ShiftedGaussian, at_once, context_networks, in_passes
from sccore.hyperprior import Hyperprior, Residual
from sccore.layers import GELU

SLICES = 10
SUPPORT = 5  # slice i sees the first min(i, SUPPORT) decoded slices


class SliceEntropyModel(Hyperprior):
    """Everything between y, z and the bits. Subclasses bring g_a, h_a and g_s.

    ::

        z ──► gain ──► Q ──► inverse gain ──► z_hat ──► h_mean_s, h_scale_s ──► features
        for slice i:  mu_i, sigma_i = cc_mean[i], cc_scale[i] (features, first decoded slices)
                      r_i   = Q((y_i - mu_i) * gain),  coded with N(0, (sigma_i * gain)^2)
                      y_hat_i = mu_i + r_i * inverse gain + lrp[i](features, decoded slices, ...)

    With a spatial context (:meth:`set_context`) the symbols r_i of the first slices have other probabilities, from their neighbours;
    all else stays the same.

    Means and scales describe y itself; the gain alone carries them to the quantiser of a rate. With unit gain this is
    WACNN's model.

    Args:
        y_ch: channels M of y, a multiple of SLICES.
        z_ch: channels of z.
        features: channels of what h_mean_s and h_scale_s make of z.
        h_s: makes one of these two, Z channels at H/64 -> features at H/16.
        net: makes a slice network from its input and output channels.
        lambdas: the rates of a variable-rate model, or None.
        centred: see :class:`sccore.hyperprior.Hyperprior`.
    """

    predictors = ("cc_mean_transforms", "cc_scale_transforms", "lrp_transforms")
    drivers = ("h_mean_s", "h_scale_s", *predictors, "contexts")

    def __init__(
        self,
        y_ch: int,
        z_ch: int,
        features: int,
        h_s: Callable[[], nn.Module],
        net: Callable[[int, int], nn.Module],
        lambdas: tuple[float, ...] | None,
        centred: bool,
    ):
        super().__init__(y_ch, z_ch, centred)
        self.slice_ch = y_ch // SLICES
        self.h_mean_s = h_s()
        self.h_scale_s = h_s()
        seen = lambda i: features + self.slice_ch * i
        nets = lambda last: nn.ModuleList(net(seen(min(i, SUPPORT) + last), self.slice_ch) for i in range(SLICES))
        self.cc_mean_transforms = nets(0)
        self.cc_scale_transforms = nets(0)
        self.lrp_transforms = nets(1)
        self.contexts = nn.ModuleList()
        self.set_rates(lambdas)

    half_tanh = staticmethod(lambda x: 0.5 * torch.tanh(x))
    grid = staticmethod(lambda x: x)
    join = staticmethod(lambda *maps: torch.cat(maps, dim=1))

    def set_context(self, slices: int = CONTEXTS, lattice: int = LATTICE):
        """Gives the first slices an interlaced spatial context, which begins at no correction; `lattice` as in :func:`sccore.context.passes`."""
        self.contexts.extend(context_networks(self.slice_ch) for _ in range(slices))
        self.lattice = lattice
        self.gaussian_conditional = ShiftedGaussian(None)

    def decode_parts(self, nets, z_hat: Tensor, residual: Residual, slices: int = SLICES) -> Tensor:
        """The one definition of the channel slices; see :meth:`sccore.hyperprior.Hyperprior.decode_parts`.

        mu and sigma of a slice are (B, M/10, H/16, W/16); `slices` stops behind the first so many.
        """
        for_mean = nets.join(nets.h_mean_s(z_hat))  # (B, features, H/16, W/16), and the decoded slices behind them
        for_scale = nets.join(nets.h_scale_s(z_hat))
        decoded: list[Tensor] = []
        for i in range(slices):
            mu = nets.cc_mean_transforms[i](for_mean)
            sigma = nets.cc_scale_transforms[i](for_scale)
            context = partial(in_passes, nets.contexts[i], nets, lattice=self.lattice) if i < len(nets.contexts) else at_once
            y_i = mu + residual(partial(self.slice_of, i), mu, sigma, context)
            y_i = y_i + nets.half_tanh(nets.lrp_transforms[i](nets.join(for_mean, y_i)))
            decoded.append(y_i)
            if i < SUPPORT:
                seen = nets.join(y_i)
                for_mean, for_scale = nets.join(for_mean, seen), nets.join(for_scale, seen)
        return torch.cat(decoded, dim=1)

    def slice_of(self, i: int, x: Tensor) -> Tensor:
        """Channels of slice i; a gain of one channel serves every slice."""
        return x if x.shape[1] == 1 else x[:, i * self.slice_ch : (i + 1) * self.slice_ch]

    def code_latents(self, y: Tensor, z: Tensor, level: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Quantisation and likelihoods for training and estimation.

        Likelihoods see additive noise in training and rounding in evaluation; contexts and g_s always see values that
        were rounded straight through.

        Returns:
            y_hat, z_hat and {"y", "z"} likelihoods.
        """
        z_hat, z_likelihood = self.code_z(z, level)
        gain_y, inverse_y = (g.to(y.dtype) for g in self.gain_y(level))
        described: list[tuple[Tensor, Tensor, Tensor]] = []  # of every slice what is coded, its mean and its scale

        def residual(part, mu: Tensor, sigma: Tensor, context: Context) -> Tensor:
            gain, inverse = part(gain_y), part(inverse_y)
            r = (part(y) - mu) * gain
            rounded = quantize_ste(r)
            symbols, mean, scale = context(mu * gain, sigma * gain, lambda where, mean, scale: where(rounded))
            described.append((r, torch.zeros_like(r) if mean is None else mean, scale))
            return symbols * inverse

        y_hat = self.decode_parts(self, z_hat, residual)
        r, mean, scale = (torch.cat(slices, dim=1) for slices in zip(*described))  # (B, M, H/16, W/16)
        return y_hat, z_hat, {"y": self.likelihood(r, mean, scale), "z": z_likelihood}

    def likelihood(self, r: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Of the residual r, with noise or rounded; the mean is that of the symbol, which is rounded without it."""
        coded = self.gaussian_conditional.quantize(r, "noise" if self.training else "dequantize")
        return self.probability(coded, mean if self.contexts else None, scale)

    def probability(self, symbols: Tensor, mean: Tensor | None, scale: Tensor) -> Tensor:
        """Of symbols, also of values between them: the Gaussian's in an interval of 1 around each."""
        gaussian = self.gaussian_conditional
        return gaussian.likelihood_lower_bound(gaussian._likelihood(symbols, scale, mean))


def hyper_synthesis(*widths: int) -> nn.Sequential:
    """h_s: conv3, subpel (x2), conv3, subpel (x2), conv3 through the given widths, GELU between; z's size to y's."""
    a, b, c, d, e = widths
    return nn.Sequential(
        nn.Conv2d(a, a, 3, padding=1),
        GELU(),
        subpel_conv3x3(a, b, 2),
        GELU(),
        nn.Conv2d(b, c, 3, padding=1),
        GELU(),
        subpel_conv3x3(c, d, 2),
        GELU(),
        nn.Conv2d(d, e, 3, padding=1),
    )
