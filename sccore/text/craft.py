"""CRAFT (Baek et al., CVPR 2019): the network that scores every place of an image for text.

Our own compact network, which loads the official general weights (craft_mlt_25k.pth) with strict keys. It answers with
two maps at half resolution: region, high on the middle of characters, and affinity, high between the characters of a
word. :mod:`sccore.text.masks` makes boxes and masks of them.
"""

import sccore.utils.torchvision_ops  # noqa: F401

# isort: split
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from sccore.text import craft_weights, inference
from sccore.text.inference import AREA, fold

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1]


class Upward(nn.Module):
    """One step of the decoder: joins a deeper map with a shallower one, 1x1 then 3x3 convolution."""

    def __init__(self, in_ch: int, middle: int, out_ch: int):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_ch, middle, 1),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out_ch, 3, padding=1),
            nn.BatchNorm2d(out_ch),
            nn.ReLU(inplace=True),
        )

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        if deep.shape != shallow.shape:
            deep = F.interpolate(deep, size=shallow.shape[-2:], mode="bilinear", align_corners=False)
        return self.conv(torch.cat([deep, shallow], 1))


class CRAFT(nn.Module):
    """VGG-16 with batch normalisation and a U-shaped decoder; 20.8 M parameters, named as in the official file.

    The official slices end one layer earlier, on a normalisation; the ReLU behind it works in place there, so that the
    decoder sees its result in all slices but the fourth. Here the cut says so. Layers keep their numbers in VGG.
    """

    def __init__(self):
        super().__init__()
        vgg = make_layers(cfgs["D"], batch_norm=True)
        cuts = {"slice1": vgg[:13], "slice2": vgg[13:20], "slice3": vgg[20:30], "slice4": vgg[30:39]}
        self.basenet = nn.ModuleDict(cuts)
        self.basenet["slice5"] = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1)
        )
        self.upconv1 = Upward(1024 + 512, 512, 256)
        self.upconv2 = Upward(256 + 512, 256, 128)
        self.upconv3 = Upward(128 + 256, 128, 64)
        self.upconv4 = Upward(64 + 128, 64, 32)
        self.conv_cls = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W), normalised, H and W multiples of 32 -> region and affinity (B, 2, H/2, W/2)."""
        maps = []
        for part in self.basenet.values():
            x = part(x)
            maps.append(x)
        a, b, c, d, e = maps  # (B, 128, H/2) (B, 256, H/4) (B, 512, H/8) (B, 512, H/16) (B, 1024, H/16)
        x = self.upconv1(e, d)  # (B, 256, H/16, W/16)
        x = self.upconv2(x, c)  # (B, 128, H/8, W/8)
        x = self.upconv3(x, b)  # (B, 64, H/4, W/4)
        x = self.upconv4(x, a)  # (B, 32, H/2, W/2)
        return self.conv_cls(x)


def load(path: Path | str | None = None, device: str = "cpu") -> CRAFT:
    """CRAFT with the official weights, ready to run: batch normalisation is folded into the convolutions.

    Args:
        path: of the weights; None looks for them, see :func:`sccore.text.craft_weights.find_weights`.

    Raises:
        InputError: no weights, or a file that is not the official one.
    """
    path = craft_weights.find_weights(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        net = CRAFT()
    net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, assign=True)
    return fold(net.eval()).requires_grad_(False).to(device, memory_format=torch.channels_last)


def score_maps(net: CRAFT, image: np.ndarray, area: int = AREA) -> tuple[np.ndarray, np.ndarray]:
    """Region and affinity of an image, float32 (H'/2, W'/2), where H' and W' are H and W up to multiples of 32.

    An image of more than `area` pixels goes through in overlapping tiles, see :mod:`sccore.text.inference`.

    Args:
        image: uint8 (H, W, 3), RGB.
    """
    return tuple(inference.maps(net, image, 2, 2, MEAN, STD, area))
