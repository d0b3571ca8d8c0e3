"""Images with their text masks: folders paired by file stem, tar shards, random crops."""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sccore.data.entries import Entry, entries
from sccore.data.images import read_image
from sccore.utils.device import cores
from sccore.utils.errors import InputError

COLOURS = 0xFFFFFF  # of a pixel's four bytes, the mask behind them; what inverts them


@dataclass
class Samples:
    """Decoded images and masks in memory; `failed` names what could not be read, `sha256` the files' content.

    One byte each for red, green, blue and mask, all images behind one another: a batch of crops is then one gather,
    on whatever device the pixels are, and processes that are forked share them.
    """

    names: list[str]
    sizes: list[tuple[int, int]]  # (H, W)
    pixels: np.ndarray  # uint8 (pixels of all images, 4)
    failed: dict[str, str]
    sha256: str
    _there: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, items: Iterable[tuple[str, np.ndarray, np.ndarray]], failed: dict[str, str] | None = None, sha256: str = "") -> "Samples":
        """From (name, uint8 (H, W, 3) image, bool (H, W) mask), each packed as it comes: no more than one is in memory twice."""
        names, sizes, end = [], [], 0
        pixels = np.empty((1, 4), np.uint8)
        for name, image, mask in items:
            start, end = end, end + mask.size
            if end > len(pixels):  # grows in place, by pages that are moved and not copied
                pixels.resize((max(end, len(pixels) * 5 // 4), 4), refcheck=False)
            pixels[start:end, :3], pixels[start:end, 3] = image.reshape(-1, 3), mask.reshape(-1)
            names.append(name)
            sizes.append(mask.shape)
        pixels.resize((end, 4), refcheck=False)
        return cls(names, sizes, pixels, failed or {}, sha256)

    def part(self, chosen: list[int]) -> "Samples":
        """Some of the images, of the same files."""
        return Samples.of(((self.names[i], *self[i]) for i in chosen), self.failed, self.sha256)

    def on(self, device: str) -> Tensor:
        """All pixels as int32 (n,) on a device; one copy there, however many ask."""
        if device not in self._there:
            self._there[device] = torch.from_numpy(self.pixels.view(np.int32)[:, 0]).to(device)
        return self._there[device]

    @property
    def starts(self) -> np.ndarray:
        """Where each image's first pixel lies, and where the last image ends."""
        return np.cumsum([0] + [h * w for h, w in self.sizes])

    def batches(self, *args, **kwargs) -> "Crops":
        return Crops(self, *args, **kwargs)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Image i, uint8 (H, W, 3), and its mask, bool (H, W); views."""
        start, (h, w) = self.starts[i], self.sizes[i]
        whole = self.pixels[start : start + h * w].reshape(h, w, 4)
        return whole[..., :3], whole[..., 3].view(bool)

    def __iter__(self):
        return (self[i] for i in range(len(self)))


def load(*sources: Path | str, progress: bool = True) -> Samples:
    """Reads tar shards (images/STEM.*, masks/STEM.png) and folders into memory.

    A folder with `images` and `masks` inside is taken as such. Images without masks get a mask of 1 everywhere. What cannot
    be read, image or mask, is reported and left out; an image that has no mask where others have one is an error.
    """
    failed, digest = {}, hashlib.sha256()
    listed = {source: entries(Path(source)) for source in sources}  # all, before any is read

    def items():
        for source, found in listed.items():
            with (
                ThreadPoolExecutor(workers := cores()) as pool,
                tqdm(total=len(found), desc=f"reading {Path(source).name}", unit="image", disable=not progress) as bar,
            ):
                for start in range(0, len(found), 4 * workers):  # no more than that is in memory twice
                    for entry, (contents, item) in zip(part := found[start : start + 4 * workers], pool.map(decoded, part)):
                        for content in contents:
                            digest.update(content)
                        bar.update()
                        if isinstance(item, InputError):
                            failed[entry.name] = str(item)
                            tqdm.write(f"left out: {item}")
                        else:
                            yield entry.name, *item

    samples = Samples.of(items(), failed)
    if not len(samples):
        raise nothing_in(sources, failed)
    return replace(samples, sha256=digest.hexdigest())


def decoded(entry: Entry) -> tuple[list[bytes], tuple[np.ndarray, np.ndarray] | InputError]:
    """The bytes of an entry's files, and its image and mask, or why they cannot be read."""
    contents = []
    try:
        contents += [piece.read() for piece in (entry.image, entry.mask) if piece]
        image = read_image(io.BytesIO(contents[0]), entry.name)
        return contents, (image, entry.read_mask(contents[1] if entry.mask else b"", image.shape[:2]))
    except InputError as error:
        return contents, error


def nothing_in(sources: Iterable, failed: dict[str, str]) -> InputError:
    return InputError(f"no readable image in {', '.join(map(str, sources))}" + "".join(f": {why}" for why in list(failed.values())[:1]))


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
        samples: what to crop from; images smaller than the crop are extended by their border.
        size: of the square crops, pixels.
        batch: crops a step.
        seed: of the choice.
        device: where the pixels are kept and the crops come out.
        invert: share of the crops whose colours are inverted.
        part: of the batch that this process takes, as a slice; all of it.
    """

    def __init__(
        self,
        samples: Samples,
        size: int = 256,
        batch: int = 8,
        seed: int = 0,
        device: str = "cpu",
        invert: float = 0.0,
        part: slice = slice(None),
    ):
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


def centre_crops(samples: Samples, size: int, batch: int) -> list[tuple[Tensor, Tensor]]:
    """The central crop of every sample, in batches of (x, mask) as :class:`Crops` gives them."""
    pairs = []
    for image, mask in samples:
        image, mask = extend(image, mask, size)
        top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
        window = (slice(top, top + size), slice(left, left + size))
        x = torch.from_numpy(image[window].copy()).permute(2, 0, 1).float() / 255
        pairs.append((x, torch.from_numpy(mask[window].copy())[None].float()))
    images, masks = (torch.stack(layer) for layer in zip(*pairs))
    return list(zip(images.split(batch), masks.split(batch)))
