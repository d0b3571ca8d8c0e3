"""One picture file of whatever kind, decoded: the right way up, 8 bits a channel, sRGB, its alpha beside it.

What is changed on the way is said as a warning that begins with the file's name. Whatever a decoder raises is one line with
its reason: a file may be cut, altered or made to harm, and a folder goes on with the next one.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sccore.data.colours import to_srgb
from sccore.utils.errors import InputError, first_line, note
from sccore.utils.files import regular

LARGEST = 2**27  # pixels, unless allowed; a few bytes can claim to be any number of them
RUNS_PROGRAMS = {"EPS", "WMF"}  # formats that Pillow hands to other programs
ORIENTATION = 0x0112  # of EXIF and TIFF

Source = Path | str | io.BytesIO | Image.Image

_most = LARGEST


@contextmanager
def allowing(pixels: int | None) -> Iterator[None]:
    """Lets pictures of so many pixels be read in the block, by all threads of this process; None leaves the limit as it is."""
    global _most
    before = _most, Image.MAX_IMAGE_PIXELS
    _most, Image.MAX_IMAGE_PIXELS = (pixels, pixels) if pixels else before
    try:
        yield
    finally:
        _most, Image.MAX_IMAGE_PIXELS = before


@contextmanager
def faults(source: Source, name: str) -> Iterator[None]:
    """Whatever goes wrong with a picture in the block is one line that names its file: an InputError."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: not enough memory for its pixels") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name}: larger than {_most} pixels; --max-pixels lifts this limit") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: {_unknown(source)}") from None
    except Exception as error:  # decoders raise what they like
        of_the_disk = isinstance(error, OSError) and error.errno and isinstance(source, (str, Path))
        why = _of_the_disk(source, error) if of_the_disk else f"damaged image ({first_line(error)})"
        raise InputError(f"{name}: {why}") from None


def picture(source: Source, name: str, as_stored: bool = False) -> tuple[Image.Image, str]:
    """The first picture of a file, loaded and the right way up, and how its file lays out a pixel ("RGB;16B", "F;32F" ...).

    Args:
        source: a file, or what Pillow has made of one.
        as_stored: leave it as it lies in the file, whatever its EXIF data say.
    """
    if isinstance(source, Image.Image):
        return _loaded(source, name, as_stored)
    if isinstance(source, (str, Path)):
        if os.path.isdir(source):
            raise InputError(f"{name}: is a folder, not an image")
        regular(source, name)  # a pipe may never end, nor a device
    with Image.open(source, formats=_formats()) as image:
        if image.width * image.height > _most:
            raise Image.DecompressionBombError
        found = _loaded(image, name, as_stored)
        _note_frames(image, name)
        return found


def _loaded(image, name, as_stored):
    if 0 in image.size:
        raise ValueError("no pixels")
    layout = _layout(image)
    turned = image.format == "TIFF" and image.tag_v2.get(ORIENTATION, 1) != 1  # Pillow turns it in loading
    image.load()
    return image.copy() if as_stored else _upright(image, name, turned), layout


def to_rgb(image: Image.Image, layout: str, name: str, as_stored: bool = False) -> Image.Image:
    """A picture as 8-bit sRGB, what is transparent on white; arguments as of :func:`layers`."""
    rgb, alpha = layers(image, layout, name, as_stored)
    if alpha is not None:
        note(f"{name}: transparency, put on white")
        rgb.putalpha(alpha)
        rgb = Image.alpha_composite(Image.new("RGBA", rgb.size, "white"), rgb).convert("RGB")
    return rgb


def layers(image: Image.Image, layout: str, name: str, as_stored: bool = False) -> tuple[Image.Image, Image.Image | None]:
    """Colours of a picture as 8-bit sRGB, and its alpha, grey, if it is not opaque everywhere.

    Args:
        layout: as :func:`picture` gives it.
        as_stored: leave its colour profile aside.
    """
    if image.mode in ("RGBa", "La"):  # premultiplied
        image = image.convert(image.mode.upper())
    if is_deep(image):
        image = _from_deep(image, layout, name)
    elif "16" in layout or "12" in layout:
        note(f"{name}: 16 bits a channel, only the upper 8 are used")
        if isinstance(key := image.info.get("transparency"), tuple):
            image.info["transparency"] = tuple(value >> 8 for value in key)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    return to_srgb(image, name, as_stored), alpha if alpha and alpha.getextrema()[0] < 255 else None


def metadata(image: Image.Image, name: str) -> tuple[bytes, bytes]:
    """EXIF data, without the orientation, and XMP of a picture that :func:`picture` gave; empty where there is none."""
    content = image.info.get("exif") or b""
    try:
        if content and ORIENTATION in (exif := image.getexif()):
            del exif[ORIENTATION]
            content = exif.tobytes() if len(exif) else b""
    except Exception as error:
        note(f"{name}: EXIF data damaged, ignored ({first_line(error)})")
        content = b""
    xmp = image.info.get("xmp") or b""
    return content, xmp.encode() if isinstance(xmp, str) else xmp


def encoded(image: np.ndarray, kind: str, **options) -> bytes:
    """The file of an array, of a kind that Pillow knows; `options` are those of its `save`."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def is_deep(image: Image.Image) -> bool:
    """Whether its pixels are one number of more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def numbers(image: Image.Image, layout: str, name: str) -> tuple[np.ndarray, float]:
    """The pixels of a deep picture, (H, W), and the number that stands for white: that of the type, 1 of floats.

    Raises:
        InputError: signed integers, floats outside 0 to 1.
    """
    values = np.asarray(image)
    if image.mode == "F":
        low, high = values.min(), values.max()  # NaN if any is
        if not (low >= 0 and high <= 1):
            raise InputError(f"{name}: float values from {low:g} to {high:g}; 0 to 1 stand for black to white")
        return values, 1.0
    if layout.endswith("S"):
        raise InputError(f"{name}: signed integers; save it with 8 or 16 bits, unsigned")
    if "32" in layout:
        return values.astype(np.int64) & 0xFFFFFFFF, 0xFFFFFFFF
    if not 0 <= values.min() <= values.max() <= 65535:
        raise InputError(f"{name}: integers from {values.min()} to {values.max()}; 0 to 65535 stand for black to white")
    return values, 4095 if "12" in layout else 65535


def _formats():
    Image.init()
    return [format for format in Image.ID if format not in RUNS_PROGRAMS]


def _layout(image):
    """Pillow's name for the layout of the file's pixels; empty if the format does not tell it."""
    arguments = image.tile[0][3] if getattr(image, "tile", None) else ""
    layout = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return layout if isinstance(layout, str) else ""


def _upright(image, name, turned):
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
        upright = ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception as error:
        note(f"{name}: EXIF data damaged, ignored ({first_line(error)})")
        return image.copy()
    if turned or orientation in range(2, 9):
        note(f"{name}: turned as its EXIF orientation says")
    return upright


def _note_frames(image, name):
    try:
        if getattr(image, "is_animated", False):
            note(f"{name}: animation or several pictures, only the first frame is used")
    except Exception as error:
        note(f"{name}: damaged behind its first frame, which is used ({first_line(error)})")


def _from_deep(image, layout, name):
    """8-bit grey of a deep picture, with alpha if one of its values stands for transparent."""
    values, white = numbers(image, layout, name)
    how = "floats, rounded to 8 bits" if image.mode == "F" else "more than 8 bits a channel, rounded to 8"
    note(f"{name}: {how}")
    if image.mode == "F":
        grey = np.rint(values * 255)
    else:
        wide = values.astype(np.uint64 if white > 65535 else np.uint32)
        grey = (wide * 255 + white // 2) // white
    shallow = Image.fromarray(grey.astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        shallow.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    shallow.info = {k: v for k, v in image.info.items() if k != "transparency"}
    return shallow


def _unknown(source):
    """Why no decoder takes a file: empty, not an image, or what the decoder of its format says."""
    with io.BytesIO(source.getvalue()) if isinstance(source, io.BytesIO) else open(source, "rb") as file:
        if not (head := file.read(16)):
            return "empty file"
        for format in _formats():
            make, accepts = Image.OPEN[format]
            try:
                if accepts and accepts(head) is True:
                    file.seek(0)
                    make(file, "")
            except Exception as error:
                return f"damaged image ({first_line(error)})"
    return "not an image"


def _of_the_disk(source, error):
    if isinstance(error, FileNotFoundError):
        return "a link to nothing" if Path(source).is_symlink() else "no such file"
    return error.strerror.lower()
