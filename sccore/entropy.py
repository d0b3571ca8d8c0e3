"""Entropy model: hyperprior, ten channel slices, latent residual prediction, gain units.

Channel-conditional coding is Minnen & Singh's (ICIP 2020), as WACNN uses it and as the paper keeps it; gain units are
Cui et al.'s (CVPR 2021). One loop, :meth:`SliceEntropyModel.decode_slices`, serves training, encoding and decoding.
"""

from types import SimpleNamespace
from typing import Callable

import sccore._compat  # noqa: F401
import torch
from compressai.ans import BufferedRansEncoder, RansDecoder
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from compressai.layers import subpel_conv3x3
from compressai.models import CompressionModel
from compressai.ops import quantize_ste
from torch import Tensor, nn

from sccore import fixedpoint
from sccore.fixedpoint import fixed_point, to_grid
from sccore.sem import conv_chain

SLICES = 10
SUPPORT = 5  # slice i sees the first min(i, SUPPORT) decoded slices


class GainUnits(nn.Module):
    """A gain and an inverse gain for every rate and channel (Cui et al.), interpolated geometrically between rates.

    Kept as logarithms, so that they stay positive and interpolation is linear. `level` counts rates: 0 is the lowest
    lambda, 1.5 lies halfway between the second and the third.

    Args:
        channels: of the latent that is scaled.
        initial: gain of each rate at the start; the inverse gain starts as 1 / gain.
    """

    def __init__(self, channels: int, initial: list[float]):
        super().__init__()
        log = torch.tensor(initial).log()[:, None].repeat(1, channels)  # (rates, channels)
        self.log_gain = nn.Parameter(log)
        self.log_inverse = nn.Parameter(-log)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """level: (B,) float64 -> gain and inverse gain, each (B, channels, 1, 1) float64."""
        low = level.floor().clamp(0, len(self.log_gain) - 2).long()
        t = (level - low)[:, None]
        mix = lambda log: torch.lerp(log[low].double(), log[low + 1].double(), t).exp()[..., None, None]
        return mix(self.log_gain), mix(self.log_inverse)


class UnitGain(nn.Module):
    """The gain of a model that knows one rate: 1."""

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        one = level.new_ones(1, 1, 1, 1)
        return one, one


class SliceEntropyModel(CompressionModel):
    """Everything between y, z and the bits. Subclasses bring g_a, h_a and g_s.

    ::

        z ──► gain ──► Q ──► inverse gain ──► z_hat ──► h_mean_s, h_scale_s ──► features
        for slice i:  mu_i, sigma_i = cc_mean[i], cc_scale[i] (features, first decoded slices)
                      r_i   = Q((y_i - mu_i) * gain),  coded with N(0, (sigma_i * gain)^2)
                      y_hat_i = mu_i + r_i * inverse gain + lrp[i](features, decoded slices, ...)

    Means and scales describe y itself; the gain alone carries them to the quantiser of a rate. With unit gain this is
    WACNN's model.

    Args:
        y_ch: channels M of y, a multiple of SLICES.
        hyper: widths of h_a from y's side to z's, (feature width, ..., channels of z); h_s runs them backwards.
        cc: hidden widths of the slice networks.
        gains: initial gains of a variable-rate model (one a rate), or None for a fixed rate.
    """

    def __init__(self, y_ch: int, hyper: tuple[int, ...], cc: tuple[int, ...], gains: list[float] | None):
        super().__init__()
        self.y_ch, self.z_ch, self.slice_ch = y_ch, hyper[-1], y_ch // SLICES
        self.entropy_bottleneck = EntropyBottleneck(self.z_ch)
        self.gaussian_conditional = GaussianConditional(None)
        self.h_mean_s = hyper_synthesis(*hyper[::-1])
        self.h_scale_s = hyper_synthesis(*hyper[::-1])

        seen = lambda i: hyper[0] + self.slice_ch * i
        nets = lambda last: nn.ModuleList(
            conv_chain(seen(min(i, SUPPORT) + last), *cc, self.slice_ch) for i in range(SLICES)
        )
        self.cc_mean_transforms = nets(0)
        self.cc_scale_transforms = nets(0)
        self.lrp_transforms = nets(1)
        self.gain_y = UnitGain() if gains is None else GainUnits(y_ch, gains)
        self.gain_z = UnitGain() if gains is None else GainUnits(self.z_ch, [1.0] * len(gains))
        self._exact: SimpleNamespace | None = None

    half_tanh = staticmethod(lambda x: 0.5 * torch.tanh(x))

    def decode_slices(self, nets, z_hat: Tensor, residual: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
        """The one definition of the channel slices.

        Args:
            nets: where the networks are taken from: this model, or its fixed-point copies.
            z_hat: (B, Z, H/64, W/64).
            residual: called with (i, mu_i, sigma_i), each (B, M/10, H/16, W/16); returns the decoded residual
                r_i * inverse gain. In training it quantises and collects likelihoods, in encoding it also writes
                symbols, in decoding it reads them.

        Returns:
            y_hat, (B, M, H/16, W/16).
        """
        mean_features = nets.h_mean_s(z_hat)  # (B, hyper[0], H/16, W/16)
        scale_features = nets.h_scale_s(z_hat)
        decoded: list[Tensor] = []
        for i in range(SLICES):
            support = decoded[:SUPPORT]
            mean_support = torch.cat([mean_features, *support], dim=1)
            mu = nets.cc_mean_transforms[i](mean_support)
            sigma = nets.cc_scale_transforms[i](torch.cat([scale_features, *support], dim=1))
            y_i = mu + residual(i, mu, sigma)
            y_i = y_i + nets.half_tanh(nets.lrp_transforms[i](torch.cat([mean_support, y_i], dim=1)))
            decoded.append(y_i)
        return torch.cat(decoded, dim=1)

    def slice_of(self, x: Tensor, i: int) -> Tensor:
        """Channels of slice i; a gain of one channel serves every slice."""
        return x if x.shape[1] == 1 else x[:, i * self.slice_ch : (i + 1) * self.slice_ch]

    def code_latents(self, y: Tensor, z: Tensor, level: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Quantisation and likelihoods for training and estimation.

        Likelihoods see additive noise in training and rounding in evaluation; contexts and g_s always see values that
        were rounded straight through.

        Returns:
            y_hat, z_hat and {"y", "z"} likelihoods.
        """
        gain_z, inverse_z = (g.to(z.dtype) for g in self.gain_z(level))
        gain_y, inverse_y = (g.to(y.dtype) for g in self.gain_y(level))
        z_likelihood = self.bottleneck_likelihood(z * gain_z)
        median = self.entropy_bottleneck.quantiles[:, 0, 1].detach()[:, None, None]
        z_hat = (quantize_ste(z * gain_z - median) + median) * inverse_z
        likelihoods = []

        def residual(i: int, mu: Tensor, sigma: Tensor) -> Tensor:
            gain, inverse = self.slice_of(gain_y, i), self.slice_of(inverse_y, i)
            r = (self.slice_of(y, i) - mu) * gain
            likelihoods.append(self.gaussian_conditional(r, sigma * gain)[1])
            return quantize_ste(r) * inverse

        y_hat = self.decode_slices(self, z_hat, residual)
        return y_hat, z_hat, {"y": torch.cat(likelihoods, dim=1), "z": z_likelihood}

    def bottleneck_likelihood(self, z: Tensor) -> Tensor:
        """What EntropyBottleneck's forward gives for z (B, Z, h, w), without its waits for the device."""
        bottleneck, channels_first = self.entropy_bottleneck, z.transpose(0, 1)
        values = channels_first.reshape(self.z_ch, 1, -1)
        values = bottleneck.quantize(values, "noise" if self.training else "dequantize", bottleneck._get_medians())
        likelihood = bottleneck.likelihood_lower_bound(bottleneck._likelihood(values)[0])
        return likelihood.reshape(channels_first.shape).transpose(0, 1)

    def update(self, *args, **kwargs) -> bool:
        """Builds the coder's tables (as in CompressAI) and the fixed-point copies of the networks that drive it."""
        updated = super().update(*args, **kwargs)
        names = ("h_mean_s", "h_scale_s", "cc_mean_transforms", "cc_scale_transforms", "lrp_transforms")
        self._exact = SimpleNamespace(
            **{name: fixed_point(getattr(self, name)) for name in names}, half_tanh=fixedpoint.half_tanh
        )
        return updated

    def exact_gain(self, unit: nn.Module, level: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(map(to_grid, unit(level)))

    def encode_latents(self, y: Tensor, z: Tensor, level: Tensor) -> list[bytes]:
        """One image's y (1, M, h, w) and z (1, Z, h/4, w/4) as two rANS strings."""
        self._require_update()
        gain_z, _ = self.exact_gain(self.gain_z, level)
        gain_y, inverse_y = self.exact_gain(self.gain_y, level)
        z_string = self.entropy_bottleneck.compress((z * gain_z).float())
        symbols, indexes = [], []

        def residual(i: int, mu: Tensor, sigma: Tensor) -> Tensor:
            gain, inverse = self.slice_of(gain_y, i), self.slice_of(inverse_y, i)
            r = ((self.slice_of(y, i) - mu) * gain).round()
            symbols.extend(r.int().flatten().tolist())
            indexes.extend(self._indexes(sigma * gain))
            return to_grid(r * inverse)

        self.decode_slices(self._exact, self._exact_z_hat(z_string, z.shape[-2:], level), residual)
        encoder = BufferedRansEncoder()
        encoder.encode_with_indexes(symbols, indexes, *self._tables())
        return [encoder.flush(), z_string[0]]

    def decode_latents(self, strings: list[bytes], shape: tuple[int, int], level: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of :meth:`encode_latents`: y_hat and z_hat, float64 on the grid."""
        self._require_update()
        y_string, z_string = strings
        gain_y, inverse_y = self.exact_gain(self.gain_y, level)
        decoder = RansDecoder()
        decoder.set_stream(fenced(y_string, self.y_ch * 16 * shape[0] * shape[1]))
        tables = self._tables()

        def residual(i: int, mu: Tensor, sigma: Tensor) -> Tensor:
            gain, inverse = self.slice_of(gain_y, i), self.slice_of(inverse_y, i)
            r = decoder.decode_stream(self._indexes(sigma * gain), *tables)
            return to_grid(torch.tensor(r, dtype=torch.float64, device=mu.device).view_as(mu) * inverse)

        z_hat = self._exact_z_hat([z_string], shape, level)
        return self.decode_slices(self._exact, z_hat, residual), z_hat

    def _exact_z_hat(self, z_string: list[bytes], shape, level: Tensor) -> Tensor:
        _, inverse_z = self.exact_gain(self.gain_z, level)
        z_string = [fenced(s, self.z_ch * shape[0] * shape[1]) for s in z_string]
        return to_grid(self.entropy_bottleneck.decompress(z_string, shape).double() * inverse_z)

    def _indexes(self, scales: Tensor) -> list[int]:
        """Entries of the scale table, geometrically nearest; CompressAI's choice is the next larger one."""
        step = self.gaussian_conditional.scale_table[1].double() / self.gaussian_conditional.scale_table[0].double()
        return self.gaussian_conditional.build_indexes(scales / step.sqrt()).flatten().tolist()

    def _tables(self) -> tuple[list, list, list]:
        gc = self.gaussian_conditional
        return gc.quantized_cdf.tolist(), gc.cdf_length.tolist(), gc.offset.tolist()

    def _require_update(self):
        if self._exact is None:
            raise RuntimeError("call update() before compress or decompress")


def fenced(string: bytes, symbols: int) -> bytes:
    """A rANS string with zeros behind it, so that decoding `symbols` symbols cannot read past its end.

    The decoder does not check its bounds; a string shorter than its symbols need (only a forged file has one) would
    let it read foreign memory. Once it has run into the zeros a symbol takes at most three words of 4 bytes.
    """
    return string + bytes(12 * symbols + 16)


def hyper_synthesis(*widths: int) -> nn.Sequential:
    """h_s: conv3, subpel (x2), conv3, subpel (x2), conv3 through the given widths, GELU between; z's size to y's."""
    a, b, c, d, e = widths
    return nn.Sequential(
        nn.Conv2d(a, a, 3, padding=1), nn.GELU(), subpel_conv3x3(a, b, 2), nn.GELU(), nn.Conv2d(b, c, 3, padding=1),
        nn.GELU(), subpel_conv3x3(c, d, 2), nn.GELU(), nn.Conv2d(d, e, 3, padding=1),
    )
