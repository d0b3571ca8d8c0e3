"""Images with their text masks: folders paired by file stem, tar shards, random crops."""

import hashlib
import io
import tarfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from sccore.errors import InputError

SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".avif"}


def read_image(source: Path | str | io.BytesIO, name: str | None = None) -> np.ndarray:
    """An image as 8-bit RGB, uint8 (H, W, 3).

    What is converted is said as a warning: transparency goes onto white, 16 bits to 8, of an animation the first
    frame is taken; palettes and grey levels become RGB without loss.

    Raises:
        InputError: no such file, empty, not an image, damaged; names the file.
    """
    name = name or str(source)
    try:
        with Image.open(source) as image:
            if getattr(image, "n_frames", 1) > 1:
                warnings.warn(f"{name}: animation, only its first frame is used", stacklevel=2)
            image.load()
            if image.mode.startswith(("I", "F")):
                return _from_deep(image, name)
            if image.has_transparency_data:
                rgba = image.convert("RGBA")
                if rgba.getextrema()[3][0] < 255:
                    warnings.warn(f"{name}: transparency, put on white", stacklevel=2)
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, rgba)
            return np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder, not an image") from None
    except UnidentifiedImageError:
        empty = isinstance(source, (str, Path)) and Path(source).stat().st_size == 0
        raise InputError(f"{name}: {'empty file' if empty else 'not an image'}") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: damaged image ({error})") from None


def _from_deep(image: Image.Image, name: str) -> np.ndarray:
    """16-bit and float grey images, scaled to 8 bits."""
    values = np.array(image, dtype=np.float64)
    top = 65535 if values.max(initial=0) > 255 else 255
    warnings.warn(f"{name}: more than 8 bits a channel, rounded to 8", stacklevel=3)
    grey = np.clip(np.round(values * 255 / top), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def read_mask(source: Path | str | io.BytesIO, size: tuple[int, int], name: str | None = None) -> np.ndarray:
    """A text mask, bool (H, W): text where the file is brighter than half. `size` is the image's (H, W)."""
    name = name or str(source)
    mask = read_image(source, name)[..., 0] > 127
    if mask.shape != tuple(size):
        raise InputError(f"{name}: mask is {mask.shape[1]}x{mask.shape[0]}, its image {size[1]}x{size[0]}")
    return mask


def pair(images: Path | str, masks: Path | str | None = None, strict: bool = True) -> list[tuple[str, Path, Path | None]]:
    """(stem, image, mask) of every image in a folder, sorted by stem; mask is None without a masks folder.

    Args:
        strict: an image without its mask is an error; otherwise its mask is a path where there is none.

    Raises:
        InputError: no such folder, no images in it, two images of one stem, or an image without its mask.
    """
    images = Path(images)
    if not images.is_dir():
        raise InputError(f"{images}: no such folder")
    found: dict[str, Path] = {}
    for path in image_files(images):
        if path.stem in found:
            raise InputError(f"{path}: same stem as {found[path.stem].name}, masks are paired by stem")
        found[path.stem] = path
    if not found:
        raise InputError(f"{images}: no images in this folder")
    if masks is None:
        return [(stem, path, None) for stem, path in found.items()]
    mates = {p.stem: p for p in image_files(Path(masks))} if Path(masks).is_dir() else {}
    for stem, path in found.items() if strict else ():
        if stem not in mates:
            raise InputError(f"{path}: no mask {stem}.png in {masks}")
    return [(stem, path, mates.get(stem, Path(masks) / f"{stem}.png")) for stem, path in found.items()]


def image_files(folder: Path) -> list[Path]:
    """The images of a folder, sorted; what is hidden is no image, but may be one that is being written."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


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

    @classmethod
    def of(cls, items: Iterable[tuple[str, np.ndarray, np.ndarray]], failed: dict[str, str] | None = None,
           sha256: str = "") -> "Samples":
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

    @property
    def starts(self) -> np.ndarray:
        """Where each image's first pixel lies, and where the last image ends."""
        return np.cumsum([0] + [h * w for h, w in self.sizes])

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Image i, uint8 (H, W, 3), and its mask, bool (H, W); views."""
        start, (h, w) = self.starts[i], self.sizes[i]
        whole = self.pixels[start : start + h * w].reshape(h, w, 4)
        return whole[..., :3], whole[..., 3].view(bool)

    def __iter__(self):
        return (self[i] for i in range(len(self)))


def load(*sources: Path | str, masks: Path | str | None = None, progress: bool = True) -> Samples:
    """Reads tar shards (images/STEM.*, masks/STEM.png) and folders into memory.

    A folder with `images` and `masks` inside is taken as such; of any other folder `masks` names the masks. Images
    without masks get a mask of 1 everywhere. Unreadable files are reported and left out; a missing or wrong-sized
    mask is an error.
    """
    failed, digest = {}, hashlib.sha256()

    def items():
        for source in map(Path, sources):
            entries = _shard(source) if source.suffix == ".tar" else _folder(source, masks)
            for name, image, mask in tqdm(entries, desc=f"reading {source.name}", unit="image", disable=not progress):
                digest.update(image)
                digest.update(mask or b"")
                try:
                    pixels = read_image(io.BytesIO(image), name)
                except InputError as error:
                    failed[name] = str(error)
                    tqdm.write(f"left out: {error}")
                    continue
                size = pixels.shape[:2]
                yield name, pixels, np.ones(size, bool) if mask is None else read_mask(io.BytesIO(mask), size, f"mask of {name}")

    samples = Samples.of(items(), failed)
    if not len(samples):
        raise InputError(f"no readable image in {', '.join(map(str, sources))}")
    return replace(samples, sha256=digest.hexdigest())


def _shard(path: Path) -> Iterator[tuple[str, bytes, bytes]]:
    try:
        with tarfile.open(path) as tar:
            members = {m.name: m for m in tar.getmembers() if m.isfile()}
            read = lambda name: tar.extractfile(members[name]).read()
            for name in sorted(n for n in members if n.startswith("images/")):
                mate = f"masks/{Path(name).stem}.png"
                if mate not in members:
                    raise InputError(f"{path}: {name} has no {mate}")
                yield Path(name).stem, read(name), read(mate)
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{path}: not a readable tar shard ({error})") from None


def _folder(path: Path, masks: Path | str | None) -> Iterator[tuple[str, bytes, bytes | None]]:
    if masks is None and (path / "images").is_dir():
        path, masks = path / "images", path / "masks"
    for stem, image, mask in pair(path, masks):
        yield stem, image.read_bytes(), mask.read_bytes() if mask else None


class Crops:
    """Random crops of image and mask together, flipped left-right and up-down at random.

    The batch of a step depends on (seed, step) alone, so that training can stop and go on anywhere. Pixels are put on
    the device once; a batch is gathered there.

    Args:
        samples: what to crop from; images smaller than the crop are extended by their border.
        size: of the square crops, pixels.
        batch: crops a step.
        seed: of the choice.
        device: where the pixels are kept and the crops come out.
        invert: share of the crops whose colours are inverted.
    """

    def __init__(self, samples: Samples, size: int = 256, batch: int = 8, seed: int = 0, device: str = "cpu", invert: float = 0.0):
        self.size, self.batch, self.seed, self.device, self.invert = size, batch, seed, device, invert
        self.sizes, self.starts = np.array(samples.sizes), samples.starts
        self.pixels = torch.from_numpy(samples.pixels.view(np.int32)[:, 0]).to(device)  # (pixels of all images,)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """x (B, 3, size, size) float in [0, 1] and mask (B, 1, size, size) in {0, 1}."""
        rng = np.random.default_rng((self.seed, step))
        index = rng.integers(len(self.sizes), size=self.batch)
        sizes = self.sizes[index]  # (B, 2)
        corner = rng.integers(np.maximum(sizes - self.size, 0) + 1)
        flip = rng.integers(2, size=(self.batch, 2, 1), dtype=np.bool_)
        line = np.arange(self.size)
        at = np.minimum(corner[..., None] + np.where(flip, line[::-1], line), sizes[..., None] - 1)  # (B, 2, size)
        at[:, 0] = at[:, 0] * sizes[:, 1:] + self.starts[index, None]
        rows, columns = torch.from_numpy(at).to(self.device, non_blocking=True).unbind(1)
        four = self.pixels[rows[:, :, None] + columns[:, None, :]].view(torch.uint8)
        four = four.view(self.batch, self.size, self.size, 4).permute(0, 3, 1, 2)
        x = four[:, :3].float() / 255
        if self.invert:
            inverted = torch.from_numpy(rng.random(self.batch) < self.invert).to(self.device)
            x = torch.where(inverted[:, None, None, None], 1 - x, x)
        return x, four[:, 3:].float()


def extend(image: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask repeated at the border up to at least size x size."""
    bottom, right = (max(size - n, 0) for n in image.shape[:2])
    return np.pad(image, ((0, bottom), (0, right), (0, 0)), "edge"), np.pad(mask, ((0, bottom), (0, right)), "edge")
