"""Active rotating filters (Zhou et al., CVPR 2017): convolutions that look for each feature in eight directions.

One 3x3 filter is turned by multiples of 45 degrees: its outer taps move round the centre. A feature map then has eight
channels a feature, one a direction; the next layer's filters turn in the plane and over these channels alike. Turning
the image by 90 degrees turns the maps and moves the directions on by two.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIRECTIONS = 8
RING = (0, 1, 2, 5, 8, 7, 6, 3)  # the outer taps of a 3x3 filter, clockwise from the upper left


class ORConv(nn.Module):
    """3x3 convolution by active rotating filters, size kept.

    Args:
        in_ch, out_ch: features; the output has DIRECTIONS channels for each, side by side.
        lift: whether the input is a plain map, with no directions yet.
    """

    def __init__(self, in_ch: int, out_ch: int, lift: bool = False, dilation: int = 1):
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(torch.empty(out_ch, in_ch, 1 if lift else DIRECTIONS, 9))
        self.bias = nn.Parameter(torch.zeros(out_ch))
        nn.init.kaiming_normal_(self.weight)
        turn = torch.arange(DIRECTIONS)[:, None]
        taps = torch.full((DIRECTIONS, 9), 4)
        for k in range(DIRECTIONS):
            for i, tap in enumerate(RING):
                taps[k, RING[(i + k) % DIRECTIONS]] = tap
        origin = torch.zeros(DIRECTIONS, 1, dtype=torch.long) if lift else (turn.T - turn) % DIRECTIONS
        self.register_buffer("taps", taps[:, None, :], persistent=False)  # (turn, 1, tap): where each tap comes from
        self.register_buffer("origin", origin[:, :, None], persistent=False)  # (turn, direction, 1)

    def filters(self) -> Tensor:
        """The turned filters, (out_ch * DIRECTIONS, in_ch [* DIRECTIONS], 3, 3)."""
        turned = self.weight[:, :, self.origin, self.taps]  # (out, in, turn, direction, tap)
        return turned.transpose(1, 2).reshape(len(self.weight) * DIRECTIONS, -1, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in_ch [* DIRECTIONS], H, W) -> (B, out_ch * DIRECTIONS, H, W)."""
        bias = self.bias.repeat_interleave(DIRECTIONS)
        return F.conv2d(x, self.filters(), bias, padding=self.dilation, dilation=self.dilation)


def orpool(x: Tensor) -> Tensor:
    """The strongest direction of each feature: (B, C * DIRECTIONS, H, W) -> (B, C, H, W)."""
    return x.unflatten(1, (-1, DIRECTIONS)).amax(2)
