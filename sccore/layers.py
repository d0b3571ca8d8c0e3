"""Layers that all transforms are made of: convolutions that change the size exactly, and GELU."""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from collections.abc import Callable

import torch
import torch.nn.functional as F
from compressai.layers import conv3x3
from torch import Tensor, nn

from sccore.utils.beside import each

WIDE = 64  # output channels that are shared out


def in_halves(conv: nn.Conv2d | nn.ConvTranspose2d, convolve: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """A convolution as its kernels and biases make it, half of the output channels each; in training all at once."""
    if torch.is_grad_enabled() or conv.out_channels < WIDE:
        return convolve(conv.weight, conv.bias)
    kernels = conv.weight.chunk(2, dim=1 if isinstance(conv, nn.ConvTranspose2d) else 0)
    return torch.cat(each(lambda half: convolve(*half), zip(kernels, conv.bias.chunk(2))), dim=1)


class Conv2d(nn.Conv2d):
    """torch's; two threads share its output channels."""

    def forward(self, x: Tensor) -> Tensor:
        return in_halves(self, lambda weight, bias: self._conv_forward(x, weight, bias))


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's; two threads share its output channels."""

    def forward(self, x: Tensor) -> Tensor:
        options = self.stride, self.padding, self.output_padding
        return in_halves(self, lambda weight, bias: F.conv_transpose2d(x, weight, bias, *options))


def conv(in_ch: int, out_ch: int, kernel: int = 5, stride: int = 2) -> nn.Conv2d:
    """Convolution that divides the size by `stride` exactly."""
    return Conv2d(in_ch, out_ch, kernel, stride, padding=kernel // 2)


def deconv(in_ch: int, out_ch: int, kernel: int = 5) -> nn.ConvTranspose2d:
    """Transposed convolution that doubles the size exactly."""
    return ConvTranspose2d(in_ch, out_ch, kernel, 2, padding=kernel // 2, output_padding=1)


class GELU(nn.GELU):
    """GELU, as fast in channels_last as in the usual layout.

    oneDNN has a kernel for it, which torch takes for tensors alone that are contiguous; its own, for all others, is
    slower. GELU does not ask which axis is which, so a tensor (B, C, H, W) in channels_last is given to it as the
    contiguous (B, H, W, C) that it is.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return super().forward(x)


def conv_chain(*widths: int, act: type[nn.Module] = GELU) -> nn.Sequential:
    """3x3 convolutions through the given widths, with an activation between two of them."""
    layers: list[nn.Module] = []
    for in_ch, out_ch in zip(widths, widths[1:]):
        layers += [conv3x3(in_ch, out_ch), act()]
    return nn.Sequential(*layers[:-1])


def keep_variance(transform: nn.Module):
    """Starts convolutions so that they neither shrink nor swell what passes through them (He et al., ICCV 2015).

    With PyTorch's own start z begins so small that it rounds to a constant and stays one, for what is always rounded
    to the same value teaches h_s nothing.
    """
    for conv in transform.modules():
        if isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d)):
            fan = conv.weight[0].numel()  # inputs of one output
            if isinstance(conv, nn.ConvTranspose2d):
                fan = conv.in_channels * conv.weight[0, 0].numel() / (conv.stride[0] * conv.stride[1])
            nn.init.normal_(conv.weight, std=(2 / fan) ** 0.5)
            nn.init.zeros_(conv.bias)
