"""Both ends of `encode` and `decode`: files, or standard input and output, and pictures that hold what was decoded."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sccore.cli import streams
from sccore.cli.values import STANDARD
from sccore.codecs import container
from sccore.data.alpha import on_white
from sccore.data.decoding import RUNS_PROGRAMS, encoded, note
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import replacing

RESIZE = {"ICO", "ICNS"}  # formats of a few sizes
ALPHA = {"PNG", "WEBP", "TIFF", "AVIF"}  # formats that keep it
METADATA = {"PNG": 2**31, "WEBP": 2**31, "AVIF": 2**31, "JPEG": 65000}  # bytes of EXIF data and XMP each that Pillow can write
PNG_LEVEL = 4  # of zlib: faster than the usual 6, with files hardly larger


def is_standard(path: Path | str) -> bool:
    return str(path) == STANDARD


def source(path: Path) -> Path | io.BytesIO:
    """A file to read, or what standard input gives."""
    return io.BytesIO(streams.read()) if is_standard(path) else path


def content(path: Path) -> bytes:
    """The bytes of a .sci file, or what standard input gives."""
    return streams.read() if is_standard(path) else container.read(path)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """An error in the block begins with the name of the file that it is about."""
    try:
        yield
    except InputError as error:
        known = str(error).startswith((f"{path}: ", f"{name(path)}: "))
        raise InputError(str(error) if known else f"{name(path)}: {error}") from None


def name(path: Path) -> str:
    return "standard input" if is_standard(path) else str(path)


def write(path: Path, content: bytes):
    """Writes a file whole or not at all, or to standard output."""
    if is_standard(path):
        streams.write(content)
        return
    with replacing(path) as part:
        part.write_bytes(content)


def say(path: Path, text: str):
    """Says what was written: on standard error, if standard output has the file itself."""
    print(text, file=sys.stderr) if is_standard(path) else streams.say(text)


def check_target(target: Path, *sources: Path | None, made: bool = False):
    """
    Args:
        made: its folder is made where there is none.

    Raises:
        InputError: a file that is read would be written, by whatever name; no folder for it.
    """
    if not made and not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder")
    for path in sources:
        if path and not is_standard(path) and target.exists() and path.exists() and target.samefile(path):
            raise InputError(f"{target}: is the input {path} itself; choose another name")


def picture_format(path: Path) -> str:
    """Pillow's name of the format that a picture's suffix stands for; PNG on standard output.

    Raises:
        InputError: unknown, or one that cannot hold a picture of any size so that it can be read again.
    """
    if is_standard(path) or path.suffix.lower() == ".png":  # without loading what Pillow has for all others
        return "PNG"
    format = Image.registered_extensions().get(path.suffix.lower())
    if format not in Image.SAVE.keys() & Image.OPEN.keys() - RUNS_PROGRAMS:
        raise InputError(f"{path}: unknown image format; name it .png")
    if format in RESIZE:
        raise InputError(f"{path}: {format} changes the size of pictures; name it .png")
    return format


def picture(image: np.ndarray, format: str, path: Path, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """The file of an image, uint8 (H, W, 3) or (H, W, 4); if it holds other pixels than these, or not the metadata, that is said.

    Raises:
        InputError: the format cannot hold it.
    """
    if image.shape[2] == 4 and format not in ALPHA:
        note(f"{path}: {format} has no alpha, put on white; .png keeps it")
        image = on_white(image[..., :3], image[..., 3])
    options: dict = {"WEBP": {"lossless": True, "exact": True}, "PNG": {"compress_level": PNG_LEVEL}}.get(format, {})
    try:
        file = encoded(image, format, **options | _metadata(format, exif, xmp, path))
        if format == "PNG":
            return file
        with Image.open(io.BytesIO(file), formats=[format]) as again:
            kept = np.asarray(again.convert("RGBA" if image.shape[2] == 4 else "RGB"))
    except Exception as error:  # encoders raise what they like
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise InputError(f"{path}: {format} cannot hold {size} pixels ({first_line(error)}); name it .png") from None
    if kept.shape != image.shape:
        raise InputError(f"{path}: {format} would change the size to {kept.shape[1]}x{kept.shape[0]}; name it .png")
    if worst := int(np.abs(kept.astype(np.int16) - image).max()):
        note(f"{path}: {format} is lossy here, pixels differ by up to {worst} of 255; .png keeps them")
    return file


def _metadata(format, exif, xmp, path):
    """Pillow's options that put metadata into a file; what the format has no place for is named."""
    given = {"exif": exif, "xmp": xmp}
    kept = {name: content for name, content in given.items() if content and format in METADATA and len(content) <= METADATA[format]}
    if lost := [name.upper() for name, content in given.items() if content and name not in kept]:
        note(f"{path}: {' and '.join(lost)} not written, {format} has no place for it; .png has")
    if format == "PNG" and "xmp" in kept:
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", kept.pop("xmp").decode("utf-8", "replace"))
        kept["pnginfo"] = text
    return kept
