"""Images and text masks in their files: read as 8 bits, paired by file stem."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from sccore.utils.errors import InputError

SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".avif"}


def read_image(source: Path | str | io.BytesIO, name: str | None = None) -> np.ndarray:
    """An image as 8-bit RGB, uint8 (H, W, 3).

    What is converted is said as a warning: transparency goes onto white, 16 bits to 8, of an animation the first
    frame is taken; palettes and grey levels become RGB without loss.

    Args:
        source: path of a file, or an open one.
        name: how messages call it; the path unless given.

    Raises:
        InputError: no such file, empty, not an image, damaged; names the file.

    Example:
        >>> sccore.read_image("screens/images/one.png").shape
        (80, 96, 3)
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
    """A text mask, bool (H, W): text where the file is brighter than half.

    Args:
        source, name: as of :func:`read_image`.
        size: the image's (H, W), pixels.

    Raises:
        InputError: as of :func:`read_image`, or another size.

    Example:
        >>> sccore.read_mask("screens/masks/one.png", (80, 96)).all()
        True
    """
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
