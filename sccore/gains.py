"""Gain units: one model for every rate (Cui et al., CVPR 2021)."""

import torch
from torch import Tensor, nn


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
        rates = torch.arange(len(self.log_gain), device=level.device)
        share = (1 - (level[:, None] - rates).abs()).clamp(min=0)  # (B, rates): two neighbours at most are not 0
        mix = lambda log: (share @ log.double()).exp()[..., None, None]
        return mix(self.log_gain), mix(self.log_inverse)


class UnitGain(nn.Module):
    """The gain of a model that knows one rate: 1."""

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        one = level.new_ones(1, 1, 1, 1)
        return one, one
