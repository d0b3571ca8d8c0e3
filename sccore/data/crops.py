"""Random crops of images and their text masks: which ones a step takes, and how they are cut out of what is in memory."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

COLOURS = 0xFFFFFF  # of a pixel's four bytes, the mask behind them; what inverts them


class Batches(ABC):
    """Where the batches of a training come from; the batch of a step depends on (seed, step) alone."""

    device: str

    @abstractmethod
    def draw(self, step: int) -> Tensor:
        """What the batch of a step is made of, on the host, always of the same shape."""

    @abstractmethod
    def cut(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """The batch, where `drawn` lies: x (B, 3, S, S) float in [0, 1], mask (B, 1, S, S) in {0, 1}; nothing in it waits."""

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        return self.cut(self.draw(step).to(self.device))


class Crops(Batches):
    """Random crops of image and mask together, flipped left-right and up-down at random.

    The batch of a step depends on (seed, step) alone, so that training can stop and go on anywhere. Pixels are put on
    the device once; what a step draws is some numbers, and its batch is gathered on the device.

    Args:
        samples: what to crop from, a :class:`sccore.data.samples.Samples`; images smaller than the crop are extended by their border.
        size: of the square crops, pixels.
        batch: crops a step.
        seed: of the choice.
        device: where the pixels are kept and the crops come out.
        invert: share of the crops whose colours are inverted.
        part: of the batch that this process takes, as a slice; all of it.
    """

    def __init__(self, samples, size: int, batch: int, seed: int = 0, device: str = "cpu", invert: float = 0.0, part: slice = slice(None)):
        self.choice = Choice(np.array(samples.sizes), size, batch, seed, invert, part)
        self.starts, self.device = samples.starts, device
        self.pixels = samples.on(device)  # (pixels of all images,)
        self.line = torch.arange(size, device=device)

    def draw(self, step: int) -> Tensor:
        """(B, 8), columns first pixel, height, width, top, left, flips, inverted."""
        chosen = self.choice(step)
        columns = (self.starts[chosen.index], *chosen.sizes.T, *chosen.corner.T, *chosen.flip.T, chosen.inverted)
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.int64))

    def cut(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        start, height, width, top, left, upside_down, mirrored, inverted = drawn[..., None].unbind(1)  # (B, 1) each
        along = lambda corner, flipped: corner + torch.where(flipped.bool(), self.line.flip(0), self.line)  # (B, size)
        rows = start + torch.minimum(along(top, upside_down), height - 1) * width
        columns = torch.minimum(along(left, mirrored), width - 1)
        pixels = self.pixels[rows[:, :, None] + columns[:, None, :]]  # (B, size, size)
        pixels = torch.where(inverted.bool()[..., None], pixels ^ COLOURS, pixels)
        return unpack(pixels.view(torch.uint8).view(*pixels.shape, 4))


@dataclass(frozen=True)
class Chosen:
    """Crops by their images: index (B,), sizes (B, 2) of these, corner (B, 2), flip (B, 2) of rows and columns, inverted (B,)."""

    index: np.ndarray
    sizes: np.ndarray
    corner: np.ndarray
    flip: np.ndarray
    inverted: np.ndarray


@dataclass(frozen=True)
class Choice:
    """Which crops a step takes from images of these sizes (n, 2); see :class:`Crops`."""

    sizes: np.ndarray
    size: int
    batch: int
    seed: int
    invert: float
    part: slice

    def __call__(self, step: int) -> Chosen:
        rng = np.random.default_rng((self.seed, step))
        index = rng.integers(len(self.sizes), size=self.batch)
        sizes = self.sizes[index]
        corner = rng.integers(np.maximum(sizes - self.size, 0) + 1)
        flip = rng.integers(2, size=(self.batch, 2), dtype=np.bool_)
        inverted = rng.random(self.batch) < self.invert
        return Chosen(*(a[self.part] for a in (index, sizes, corner, flip, inverted)))


def unpack(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 (B, S, S, 4), red, green, blue and mask -> x (B, 3, S, S) in [0, 1], mask (B, 1, S, S)."""
    four = pixels.permute(0, 3, 1, 2)
    return four[:, :3].float() / 255, four[:, 3:].float()


def extend(image: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask repeated at the border up to at least size x size."""
    bottom, right = (max(size - n, 0) for n in image.shape[:2])
    return np.pad(image, ((0, bottom), (0, right), (0, 0)), "edge"), np.pad(mask, ((0, bottom), (0, right)), "edge")
