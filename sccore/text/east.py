"""EAST (Zhou et al., CVPR 2017): each place of an image tells whether it is in a word and how far its edges are.

The network answers at each cell of a grid with a score, the distances to the top, bottom, left and right edge of the
word's rectangle, and its angle (the paper's RBOX geometry). In its full size it is the public PyTorch edition on
VGG-16 with batch normalisation, and loads that edition's weights with strict keys; none can be had from a package, so
users bring them. The companion has the same parts with fewer channels and one more step of the decoder, to stride 2,
because words on screens are low. Its weights are shipped; :mod:`sccore.text.training` made them.
"""

import sccore.utils.torchvision_ops  # noqa: F401

# isort: split
import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.vgg import make_layers

from sccore.text import inference
from sccore.text.quads import average, suppress, to_quads, to_sides, touching
from sccore.utils.errors import InputError, first_line

MEAN, STD = (0.5,) * 3, (0.5,) * 3  # of RGB in [0, 1]
SHRINK = 0.3  # of the shorter side, that a word's core is away from each edge
SCORE, OVERLAP = 0.8, 0.5  # a cell's least score; from where a rectangle gives way to a better one or joins it
PRESETS = {
    "paper": {"widths": (64, 128, 256, 512, 512), "merges": (128, 64, 32)},
    "companion": {"widths": (8, 16, 32, 64, 96), "merges": (48, 32, 24, 16), "scope": 256, "corners": False},
}


class Taps(nn.Module):
    """VGG-16's convolutions with batch normalisation; gives the map behind every pooling."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        a, b, c, d, e = widths
        self.features = make_layers([a, a, "M", b, b, "M", c, c, c, "M", d, d, d, "M", e, e, e, "M"], batch_norm=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                maps.append(x)
        return maps  # strides 2, 4, 8, 16, 32


class Merge(nn.Sequential):
    """The decoder: doubles the size and joins the next map, 1x1 then 3x3 convolution, again and again; a last 3x3.

    Args:
        corners: whether doubling aligns the outermost cells, as the public edition does; a place's values then depend
            on where it lies in the tile.
    """

    def __init__(self, widths: tuple[int, ...], merges: tuple[int, ...], corners: bool):
        super().__init__()
        self.corners, self.steps = corners, len(merges)
        channels = widths[-1]
        for i, (merge, tap) in enumerate(zip(merges, widths[-2::-1])):
            self.add(2 * i + 1, channels + tap, merge, 1)
            self.add(2 * i + 2, merge, merge, 3)
            channels = merge
        self.add(2 * self.steps + 1, channels, channels, 3)

    def add(self, number: int, in_ch: int, out_ch: int, kernel: int):
        self.add_module(f"conv{number}", nn.Conv2d(in_ch, out_ch, kernel, padding=kernel // 2))
        self.add_module(f"bn{number}", nn.BatchNorm2d(out_ch))

    def layer(self, number: int, x: Tensor) -> Tensor:
        return F.relu(self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(x)))

    def forward(self, maps: list[Tensor]) -> Tensor:
        x = maps[-1]
        for i, tap in zip(range(self.steps), maps[-2::-1]):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.corners)
            x = self.layer(2 * i + 2, self.layer(2 * i + 1, torch.cat([x, tap], 1)))
        return self.layer(2 * self.steps + 1, x)


class Output(nn.Module):
    """Three 1x1 convolutions: score, distances up to `scope` pixels, angle."""

    def __init__(self, channels: int, scope: float):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(channels, n, 1) for n in (1, 4, 1))
        self.scope = scope
        with torch.no_grad():  # begins with few words, of a usual size
            self.conv1.bias.fill_(-2)
            self.conv2.bias.copy_(torch.logit(torch.tensor([8.0, 8.0, 25.0, 25.0]) / scope))

    def forward(self, x: Tensor) -> Tensor:
        distances = torch.sigmoid(self.conv2(x)) * self.scope
        angle = (torch.sigmoid(self.conv3(x)) - 0.5) * math.pi
        return torch.cat([self.conv1(x), distances, angle], 1)


class EAST(nn.Module):
    """The network; `stride` is that of its grid. Names are the public edition's."""

    def __init__(self, widths: tuple[int, ...], merges: tuple[int, ...], scope: float = 512, corners: bool = True):
        super().__init__()
        self.stride = 2 ** (5 - len(merges))
        self.extractor = Taps(widths)
        self.merge = Merge(widths, merges, corners)
        self.output = Output(merges[-1], scope)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W), normalised, H and W multiples of 32 -> (B, 6, H/stride, W/stride): logit of the score,
        distances in pixels to top, bottom, left and right, angle (counter-clockwise, as the public edition counts)."""
        return self.output(self.merge(self.extractor(x)))


def create(preset: str = "companion") -> EAST:
    """An untrained network, "paper" (24 M parameters) or "companion"."""
    return EAST(**PRESETS[preset])


def load_published(path: Path | str) -> EAST:
    """The full network with the public PyTorch edition's weights (a .pth of tensors, strict keys), to evaluate.

    Raises:
        InputError: no such file, not tensors, or other names or shapes.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.device("meta"):
            net = create("paper")
        net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, assign=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:
        raise InputError(f"{path}: not EAST's weights ({first_line(error)})") from None
    return net.eval()


def targets(net: EAST, quads: np.ndarray, ignore: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """What the network should answer: score (1, h, w), geometry (5, h, w), and where it counts, (1, h, w).

    Score is 1 in the cores of words: their rectangles without a margin of SHRINK of the shorter side. A word that is
    lower than the grid is fine has at least the cell nearest to its middle.

    Args:
        quads: (n, 4, 2) of the words in an image of `size` (H, W).
        ignore: bool (n,), words that count neither as text nor as none.
    """
    stride = net.stride
    h, w = (n // stride for n in size)
    score, counts = np.zeros((1, h, w), np.float32), np.ones((1, h, w), np.float32)
    geometry = np.zeros((5, h, w), np.float32)
    for (x, y, width, height, angle), quad, ignored in zip(to_sides(quads), quads, ignore):
        left, top = np.clip(np.floor(quad.min(0) / stride).astype(int), 0, (w - 1, h - 1))
        right, bottom = np.clip(np.ceil(quad.max(0) / stride).astype(int), (left, top), (w - 1, h - 1))
        window = np.s_[:, top : bottom + 1, left : right + 1]
        cells = np.mgrid[top : bottom + 1, left : right + 1] * stride
        dx, dy = cells[1] - x, cells[0] - y
        u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx  # along the sides
        margin = SHRINK * min(width, height)
        core = (abs(u) < width / 2 - margin) & (abs(v) < height / 2 - margin)
        core |= (d := np.hypot(u, v)) == d.min()
        if ignored:
            counts[window][:, core] = 0
            continue
        distances = np.stack([v + height / 2, height / 2 - v, u + width / 2, width / 2 - u])
        score[window][:, core] = 1
        geometry[window][:4, core] = np.maximum(distances, 0)[:, core]
        geometry[window][4, core] = -angle
    return score, geometry, counts


def loss(output: Tensor, target: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Dice and cross entropy of the score + log IoU of the rectangles + 10 (1 - cos of the angles' difference).

    Cross entropy is added to the public edition's terms: it has a gradient where dice has none left. Geometry counts in
    cores alone.
    """
    score, geometry, counts = target
    p = torch.sigmoid(output[:, :1])
    dice = 1 - 2 * (p * score * counts).sum() / (((p + score) * counts).sum() + 1e-5)
    entropy = F.binary_cross_entropy_with_logits(output[:, :1], score, counts, reduction="sum") / counts.sum()
    core = score[:, 0] > 0
    a, b = (t.permute(0, 2, 3, 1)[core] for t in (output[:, 1:], geometry))  # (cells, 5)
    least = torch.minimum(a, b)
    both = (least[:, 0] + least[:, 1]) * (least[:, 2] + least[:, 3])
    area = lambda d: (d[:, 0] + d[:, 1]) * (d[:, 2] + d[:, 3])
    iou = torch.log((area(a) + area(b) - both + 1) / (both + 1)).sum() / max(len(a), 1)
    angle = (1 - torch.cos(a[:, 4] - b[:, 4])).sum() / max(len(a), 1)
    return {"loss": dice + entropy + iou + 10 * angle, "score": dice, "geometry": iou}


def decode(output: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An answer (6, h, w) to its cells' rectangles: sides (n, 5), scores (n,), cells (n, 2) as (y, x)."""
    cells = np.argwhere(output[0] > math.log(SCORE / (1 - SCORE)))
    score, top, bottom, left, right, angle = output[:, cells[:, 0], cells[:, 1]]
    u, v = (right - left) / 2, (bottom - top) / 2  # from the cell to the middle, along the sides
    x = cells[:, 1] * stride + np.cos(angle) * u + np.sin(angle) * v
    y = cells[:, 0] * stride - np.sin(angle) * u + np.cos(angle) * v
    sides = np.stack([x, y, left + right, top + bottom, -angle], 1).astype(np.float32)
    return sides, 1 / (1 + np.exp(-score)), cells


def words(output: np.ndarray, stride: int) -> np.ndarray:
    """An answer (6, h, w) to the quads of words (n, 4, 2).

    Suppression runs first among the cells of each connected core, where those that agree are averaged, then among what
    is left and touches: nearly the result of one run over all cells, in a time that does not grow with the square of
    the image.
    """
    sides, scores, cells = decode(output, stride)
    if not len(cells):
        return np.zeros((0, 4, 2), np.float32)
    size = tuple(n * stride for n in output.shape[1:])
    member = np.zeros(output.shape[1:], np.uint8)
    member[tuple(cells.T)] = 1
    _, cores = cv2.connectedComponents(member)
    core = cores[tuple(cells.T)]
    kept = suppress(sides, scores, core, OVERLAP)
    sides, scores = average(kept, sides, scores, core, OVERLAP), scores[kept]
    quads = to_quads(sides)
    return quads[suppress(sides, scores, touching(quads, size), OVERLAP)]


def answer(net: EAST, image: np.ndarray, area: int = inference.AREA) -> np.ndarray:
    """The network's answer for an image, float32 (6, h, w), made by tiles of at most `area` pixels."""
    return inference.maps(net, image, 6, net.stride, MEAN, STD, area)


def find_words(net: EAST, image: np.ndarray, area: int = inference.AREA) -> np.ndarray:
    """The quads (n, 4, 2) of an image's words; what lies in the black below and right of it is left out."""
    quads = words(answer(net, image, area), net.stride)
    centres = quads.mean(1)
    return quads[(centres < image.shape[1::-1]).all(1)]
