"""Images and text masks in their files: read as 8 bits, paired by file stem."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from sccore.data import decoding
from sccore.data.alpha import on_white
from sccore.data.decoding import Source
from sccore.utils.errors import InputError, note

SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"}
GREY = 24  # how far the channels of a grey pixel may lie apart; lossy files colour it a little

Where = TypeVar("Where")


def read_image(source: Source, name: str | None = None, as_stored: bool = False) -> np.ndarray:
    """An image as 8-bit sRGB, uint8 (H, W, 3).

    What is converted is said as a warning: it is turned as EXIF data say, a colour profile is converted to sRGB,
    transparency goes onto white, 16 bits and floats of 0 to 1 become 8, of several frames the first is taken. Palettes and grey
    levels become RGB without loss.

    Args:
        source: path of a file, an open one, or an image of Pillow.
        name: how messages call it; the path unless given.
        as_stored: leave EXIF data and colour profile aside, as hashes of pixels in catalogues do.

    Raises:
        InputError: no such file, empty, not an image, damaged, too large; names the file.

    Example:
        >>> sccore.read_image("screens/images/one.png").shape
        (80, 96, 3)
    """
    name = name or str(source)
    with decoding.faults(source, name):
        return np.array(decoding.to_rgb(*decoding.picture(source, name, as_stored), name, as_stored))


@dataclass(frozen=True)
class Picture:
    """Colours, uint8 (H, W, 3) in sRGB; alpha, uint8 (H, W), if it is not opaque everywhere; EXIF data and XMP if they are kept."""

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def flat(self) -> np.ndarray:
        """As it looks on white, uint8 (H, W, 3)."""
        return self.rgb if self.alpha is None else on_white(self.rgb, self.alpha)


def read_picture(source: Source, name: str | None = None, alpha: bool = True, metadata: bool = False) -> Picture:
    """As :func:`read_image`, with what else the file has.

    Args:
        alpha: keep it; else what is transparent goes onto white.
        metadata: keep EXIF data, without the orientation, which was followed, and XMP.
    """
    name = name or str(source)
    with decoding.faults(source, name):
        image, layout = decoding.picture(source, name)
        exif, xmp = decoding.metadata(image, name) if metadata else (b"", b"")
        if not alpha:
            return Picture(np.array(decoding.to_rgb(image, layout, name)), None, exif, xmp)
        rgb, mask = decoding.layers(image, layout, name)
        return Picture(np.array(rgb), None if mask is None else np.array(mask), exif, xmp)


def read_mask(source: Source, size: tuple[int, int], name: str | None = None) -> np.ndarray:
    """A text mask, bool (H, W).

    Of two values the larger is text, whatever they are; of one, text is what is not black. Of more, text is what is brighter than
    half, and that is said. What is transparent is no text; where all that is not has one colour, it is the text.

    Args:
        source, name: as of :func:`read_image`.
        size: the image's (H, W), pixels.

    Raises:
        InputError: as of :func:`read_image`; another size; colours.

    Example:
        >>> sccore.read_mask("screens/masks/one.png", (80, 96)).all()
        True
    """
    name = name or str(source)
    with decoding.faults(source, name):
        image, layout = decoding.picture(source, name)
        if image.size != (size[1], size[0]):
            raise InputError(f"{name}: mask is {image.width}x{image.height}, its image {size[1]}x{size[0]}")
        if image.mode == "1" and not image.has_transparency_data:
            return np.array(image)
        values, white = decoding.numbers(image, layout, name) if decoding.is_deep(image) else (_grey(image, name), 255)
        return _text(values, white, name)


def as_mask(values: np.ndarray, size: tuple[int, int], name: str = "mask") -> np.ndarray:
    """A text mask in memory, bool (H, W), by the rule of :func:`read_mask`: the same pixels mean the same in a file and here.

    Args:
        values: (H, W), bool, or numbers from 0 on; of more than two values, uint8, uint16, or floats of 0 to 1, such as probabilities.
        size: the image's (H, W), pixels.

    Raises:
        InputError: another size or another type, numbers that are not finite or below 0, floats above 1 of more than two values.

    Example:
        >>> as_mask(np.array([[0.0, 255.0]]), (1, 2)).tolist()
        [[False, True]]
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise InputError(f"{name}: a mask is (H, W) of bool or numbers, this array {values.dtype} {values.shape}")
    if values.shape != size:
        raise InputError(f"{name} is {values.shape[1]}x{values.shape[0]}, its image {size[1]}x{size[0]}")
    if values.dtype == bool or not values.size:
        return values.astype(bool, copy=False)
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError(f"{name}: has numbers that are not finite, or below 0")
    white = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    known = values.dtype in (np.uint8, np.uint16) or values.dtype.kind == "f" and values.max() <= 1
    if not known and ((values != values.min()) & (values != values.max())).any():
        raise InputError(
            f"{name}: of more than two values a mask is uint8, uint16 or floats of 0 to 1, not {values.dtype} up to {values.max()}"
        )
    return _text(values, white, name)


def _text(values, white, name):
    """What is text of grey levels (H, W), of which `white` is the largest possible."""
    low, high = values.min(), values.max()
    if low == high:
        return np.full(values.shape, high > 0)
    text = values == high
    if (text | (values == low)).all():
        return text
    note(f"{name}: more than two grey levels in a mask, text is what is brighter than half")
    return values > white / 2


def _grey(image, name):
    """Grey levels of a mask, uint8 (H, W); what is transparent is 0."""
    if image.mode == "L" and not image.has_transparency_data:
        return np.asarray(image)
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        image = decoding.to_rgb(image, "", name)
    rgba = np.asarray(image.convert("RGBA"))
    colour, alpha = rgba[..., :3], rgba[..., 3]
    seen = colour[alpha > 0]
    if seen.size and (seen.max(-1).astype(int) - seen.min(-1)).max() > GREY:
        raise InputError(f"{name}: has colours; a mask is black and white, white is text")
    grey = colour.max(-1)
    if alpha.min() == 255:
        return grey
    note(f"{name}: transparency in a mask, taken for no text")
    if seen.size and (seen == seen[0]).all():
        return alpha
    return (grey.astype(np.uint16) * alpha // 255).astype(np.uint8)


def pair(images: Path | str, masks: Path | str | None = None, strict: bool = True) -> list[tuple[str, Path, Path | None]]:
    """(stem, image, mask) of every image in a folder, sorted by stem; mask is None without a masks folder.

    Args:
        strict: an image without its mask is an error; otherwise its mask is a path where there is none.

    Raises:
        InputError: no such folder, no images in it, two images of one stem, or an image without its mask.
    """
    images = Path(images)
    mates = None if masks is None else image_files(Path(masks))
    found = match(image_files(images), mates, str(images), str(masks), strict)
    return [(stem, image, mask or masks and Path(masks) / f"{stem}.png") for stem, image, mask in found]


def match(
    images: Iterable[Where], masks: Iterable[Where] | None, images_dir: str, masks_dir: str, strict: bool = True
) -> list[tuple[str, Where, Where | None]]:
    """Images and masks of the same stems, in the images' order; each is a path, or anything else with `name` and `stem`.

    Args:
        masks: None if there are none at all.
        images_dir, masks_dir: how errors call the places.
        strict: an image without its mask is an error, not None.
    """
    found: dict[str, Where] = {}
    for image in images:
        if image.stem in found:
            raise InputError(f"{images_dir}/{image.name}: same stem as {found[image.stem].name}, masks are paired by stem")
        found[image.stem] = image
    if not found:
        raise InputError(f"{images_dir}: no images in it")
    mates = {mask.stem: mask for mask in masks or ()}
    for stem, image in found.items() if strict and masks is not None else ():
        if stem not in mates:
            raise InputError(f"{images_dir}/{image.name}: no mask {stem}.png in {masks_dir}")
    return [(stem, image, mates.get(stem)) for stem, image in found.items()]


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image; what is hidden is none, but may be one that is being written."""
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def image_files(folder: Path) -> list[Path]:
    """What is named as an image in a folder, sorted.

    Raises:
        InputError: no such folder, or not one that can be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    try:
        return sorted(path for path in folder.iterdir() if is_image(path.name))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror.lower()}") from None
