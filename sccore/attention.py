"""Window attention module of the WACNN backbone (Zou et al., CVPR 2022)."""

import sccore.utils.torchvision_ops  # noqa: F401

# isort: split
import torch
import torch.nn.functional as F
from compressai.layers import conv1x1, conv3x3
from torch import Tensor, nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from sccore.layers import GELU


class ResidualUnit(nn.Module):
    """Bottleneck conv1, conv3, conv1 with a skip, GELU after each."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(
            conv1x1(channels, half), GELU(), conv3x3(half, half), GELU(), conv1x1(half, channels)
        )
        self.gelu = GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.gelu(x + self.conv(x))


class SwinAttention(ShiftedWindowAttention):
    """Swin's, with its position bias looked up by a product on GPUs, where the gradient of an index is a sorted scatter."""

    def define_relative_position_index(self):
        super().define_relative_position_index()
        chosen = F.one_hot(self.relative_position_index, len(self.relative_position_bias_table)).float()
        self.register_buffer("chosen", chosen, persistent=False)  # (positions^2, rows of the table)

    def get_relative_position_bias(self) -> Tensor:
        table = self.relative_position_bias_table
        return self.by_product() if table.is_cuda and torch.is_grad_enabled() else super().get_relative_position_bias()

    def by_product(self) -> Tensor:
        """The same numbers, (1, heads, positions, positions)."""
        positions = self.window_size[0] * self.window_size[1]
        with torch.autocast(self.chosen.device.type, enabled=False):
            bias = self.chosen @ self.relative_position_bias_table  # (positions^2, heads)
        return bias.view(positions, positions, -1).permute(2, 0, 1)[None].contiguous()


class WindowAttention(nn.Module):
    """Shifted-window self-attention with a skip: Swin's, without its LayerNorm and MLP.

    A feature map that is a single window is not shifted (there is nothing to shift into).
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.attn = SwinAttention(channels, [window, window], [shift, shift], heads)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        name = prefix + "attn.relative_position_index"  # published as (w*w, w*w), torchvision keeps it flat
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
            WindowAttention(channels, heads, window, shift),
            *(ResidualUnit(channels) for _ in range(3)),
            conv1x1(channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_a(x) * torch.sigmoid(self.conv_b(x))
