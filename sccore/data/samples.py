"""Images with their text masks in memory: folders paired by file stem, tar shards."""

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sccore.data.crops import Crops, extend
from sccore.data.entries import Entry, entries
from sccore.data.images import as_mask, read_image
from sccore.utils.device import cores
from sccore.utils.errors import InputError

AHEAD = 4  # batches, or files, that each thread has ready; no more than these are in memory twice
Item = tuple[str, np.ndarray, np.ndarray | None]


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
    def of(cls, items: Iterable[Item], failed: dict[str, str] | None = None, sha256: str = "") -> "Samples":
        """From names, images, uint8 (H, W, 3), and their masks; each is packed as it comes: no more than one is in memory twice.

        Args:
            items: (name, image, mask); a mask is bool (H, W), or has two values, of which the larger is text; None is 1 everywhere.
            failed: what could not be read, and why.
            sha256: what tells these images from others when a training goes on; of their pixels unless given.

        Raises:
            InputError: no images, or an image or mask that is something else; names it.

        Example:
            >>> screen = np.full((80, 96, 3), 255, np.uint8)
            >>> len(Samples.of([("blank", screen, None)]))
            1
        """
        samples = cls._packed(map(_checked, items))
        if not len(samples):
            raise InputError("no images to train on")
        return replace(samples, failed=failed or {}, sha256=sha256 or samples._pixels_hash())

    @classmethod
    def _packed(cls, items: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> "Samples":
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
        return cls(names, sizes, pixels, {}, "")

    def _pixels_hash(self) -> str:
        digest = hashlib.sha256(repr(self.sizes).encode())
        digest.update(self.pixels.data)
        return digest.hexdigest()

    def part(self, chosen: list[int]) -> "Samples":
        """Some of the images, of the same files.

        Raises:
            InputError: none of them.
        """
        if not chosen:
            raise InputError(f"{len(self)} images are too few to hold some back")
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

    def batches(self, *args, **kwargs) -> Crops:
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

    A folder with `images` inside is taken with `masks` beside them. Images without masks get a mask of 1 everywhere. What cannot
    be read, image or mask, is reported and left out; an image that has no mask where others have one is an error.
    """
    failed, digest = {}, hashlib.sha256()
    listed = {source: entries(Path(source)) for source in sources}  # all, before any is read

    def items():
        for source, found in listed.items():
            read = zip(found, in_order(decoded, found, cores()))
            for entry, (contents, item) in tqdm(read, f"reading {Path(source).name}", len(found), unit="image", disable=not progress):
                for content in contents:
                    digest.update(content)
                if isinstance(item, InputError):
                    failed[entry.name] = str(item)
                    tqdm.write(f"left out: {item}")
                else:
                    yield entry.name, *item

    samples = Samples._packed(items())
    if not len(samples):
        raise nothing_in(sources, failed)
    return replace(samples, failed=failed, sha256=digest.hexdigest())


def in_order(work: Callable, items: Iterable, threads: int) -> Iterator:
    """Results of `work`, in the order of the items, a few of them ahead of what is asked for; Pillow decodes without the GIL."""
    pool, waiting = ThreadPoolExecutor(threads), deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _checked(item):
    """Name, image and mask, bool, as :class:`Samples` keeps them."""
    if not isinstance(item, (tuple, list)) or len(item) != 3:
        raise InputError(f"images are given as (name, image, mask) each, not as {type(item).__name__}")
    name, image, mask = item
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"{name}: an image is uint8 (H, W, 3), not {what}")
    if mask is None:
        return name, image, np.ones(image.shape[:2], bool)
    if not isinstance(mask, np.ndarray):
        raise InputError(f"mask of {name}: a mask is an array (H, W) or None, not {type(mask).__name__}")
    if mask.dtype != bool and len(np.unique(mask)) > 2:
        raise InputError(f"mask of {name}: has more than two values; give it as bool, such as mask > 127")
    return name, image, as_mask(mask, image.shape[:2], f"mask of {name}")


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


def centre_crops(samples: Iterable[tuple[np.ndarray, np.ndarray]], size: int, batch: int) -> list[tuple[Tensor, Tensor]]:
    """The central crop of every sample, in batches of (x, mask) as :class:`sccore.data.crops.Crops` gives them."""
    pairs = []
    for image, mask in samples:
        image, mask = extend(image, mask, size)
        top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
        window = (slice(top, top + size), slice(left, left + size))
        x = torch.from_numpy(image[window].copy()).permute(2, 0, 1).float() / 255
        pairs.append((x, torch.from_numpy(mask[window].copy())[None].float()))
    images, masks = (torch.stack(layer) for layer in zip(*pairs))
    return list(zip(images.split(batch), masks.split(batch)))
