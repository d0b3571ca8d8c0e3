"""Window attention module of the WACNN backbone (Zou et al., CVPR 2022)."""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
import torch
import torch.nn.functional as F
from compressai.layers import conv1x1, conv3x3
from torch import Tensor, nn

from sccore.layers import GELU
from sccore.utils.beside import Beside, each, in_strips

WINDOWS = 256  # that are looked at in one piece, outside training


class ResidualUnit(nn.Module):
    """Bottleneck conv1, conv3, conv1 with a skip, GELU after each."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(conv1x1(channels, half), GELU(), conv3x3(half, half), GELU(), conv1x1(half, channels))
        self.gelu = GELU()

    def forward(self, x: Tensor) -> Tensor:
        return in_strips(lambda x: (self.gelu(x + self.conv(x)),), (x,), rows=48, halo=1)[0]


class SwinAttention(nn.Module):
    """Self-attention inside shifted windows, with a learned bias for every distance (Liu et al., ICCV 2021).

    Args:
        channels: of the features, a multiple of `heads`.
        heads: of the attention.
        window: side of the square windows, positions.
        shift: of the windows, positions down and right; of none in a direction in which there is one window only.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        place = torch.cartesian_prod(torch.arange(window), torch.arange(window))  # (positions, 2)
        down, right = (place[:, None] - place[None] + window - 1).unbind(2)  # (positions, positions)
        index = (down * (2 * window - 1) + right).flatten()
        self.register_buffer("relative_position_index", index)
        chosen = F.one_hot(index, (2 * window - 1) ** 2).float()  # (positions^2, rows of the table)
        self.register_buffer("chosen", chosen, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, h, w, channels), h and w multiples of `window`; the same shape."""
        B, h, w, channels = x.shape
        shift = [self.shift if self.window < side else 0 for side in (h, w)]
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), (1, 2))
        x = self.split(x)  # (windows, positions, channels)
        region = self.regions(h, w, shift, x.device).repeat(B, 1) if any(shift) else None
        attend = lambda begin, end: self.attend(x[begin:end], None if region is None else region[begin:end])
        if torch.is_grad_enabled() or len(x) <= WINDOWS:
            x = attend(0, len(x))
        else:
            x = torch.cat(each(lambda begin: attend(begin, begin + WINDOWS), range(0, len(x), WINDOWS)))
        x = x.view(B, h // self.window, w // self.window, self.window, self.window, channels)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(B, h, w, channels)
        return (x.roll((shift[0], shift[1]), (1, 2)) if any(shift) else x).contiguous()

    def attend(self, x: Tensor, region: Tensor | None) -> Tensor:
        """Each window by itself: x (windows, positions, channels), and where it is shifted `region` (windows, positions)."""
        # (windows, heads, positions, channels / heads) each
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attention = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + self.bias()
        if region is not None:
            attention = attention + self.apart(region, x)[:, None]
        return self.proj((attention.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))

    def split(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> (windows, positions, C), the windows of each image row by row."""
        B, h, w, channels = x.shape
        x = x.view(B, h // self.window, self.window, w // self.window, self.window, channels)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, self.window**2, channels)

    def regions(self, h: int, w: int, shift: list[int], device) -> Tensor:
        """A number for the part of the image that each position of the shifted windows is of: (windows of an image, positions)."""
        down, right = (torch.arange(side, device=device) >= side - s for side, s in zip((h, w), shift))
        return self.split((2 * down[:, None] + right)[None, :, :, None])[..., 0]

    def apart(self, region: Tensor, like: Tensor) -> Tensor:
        """-100 between positions of a window that only the shift has brought together, else 0: (windows, positions, positions)."""
        return like.new_zeros(()).masked_fill(region[:, :, None] != region[:, None], -100.0)

    def bias(self) -> Tensor:
        """(1, heads, positions, positions); by a product on GPUs, where the gradient of an index is a sorted scatter."""
        table = self.relative_position_bias_table
        if table.is_cuda and torch.is_grad_enabled():
            return self.by_product()
        return table[self.relative_position_index].view(self.window**2, self.window**2, -1).permute(2, 0, 1).contiguous()[None]

    def by_product(self) -> Tensor:
        """The same numbers, (1, heads, positions, positions)."""
        with torch.autocast(self.chosen.device.type, enabled=False):
            bias = self.chosen @ self.relative_position_bias_table  # (positions^2, heads)
        return bias.view(self.window**2, self.window**2, -1).permute(2, 0, 1)[None].contiguous()


class WindowAttention(nn.Module):
    """Shifted-window self-attention with a skip: Swin's, without its LayerNorm and MLP.

    A feature map that is a single window is not shifted (there is nothing to shift into).
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.attn = SwinAttention(channels, heads, window, shift)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        name = prefix + "attn.relative_position_index"  # published as (w*w, w*w), kept flat here
        if name in state_dict:
            state_dict[name] = state_dict[name].flatten()
        super()._load_from_state_dict(state_dict, prefix, *args)


class WAM(nn.Module):
    """Window attention module: x + A(x) * sigmoid(B(x)), with A convolutional and B attentive.

    Shapes are kept: (B, channels, h, w) in and out; h and w are multiples of `window`.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.conv_a = nn.Sequential(*(ResidualUnit(channels) for _ in range(3)))
        self.conv_b = nn.Sequential(
            WindowAttention(channels, heads, window, shift), *(ResidualUnit(channels) for _ in range(3)), conv1x1(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        a = Beside(lambda: self.conv_a(x))
        b = self.conv_b(x)
        return in_strips(lambda x, a, b: (x + a * torch.sigmoid(b),), (x, a.result(), b), rows=48, halo=0)[0]
