"""Classical codecs behind one small interface, to be measured with the same ruler as the learned ones.

A codec has a name, a default sweep of qualities (smallest file first), one line that says its settings, and

    missing() -> str                       why it cannot be used here and how to get it; empty if it can
    versions() -> {software: version}
    encode(image, quality) -> bytes        a whole file, whose size is the rate
    decode(bytes, size) -> image           size (H, W): of raw video nothing else tells it; the others are checked

Images are uint8 RGB (H, W, 3). The ruler is the PSNR of 8-bit RGB, so encoders that tune for the eye unless told
otherwise (AVIF, HEVC) are told to tune for PSNR, and colour is kept at full resolution (4:4:4) wherever the format can.
What a codec cannot do (a side too long, a program that fails) is an InputError.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

import numpy as np
from PIL import Image, ImageFile, features

from sccore.codecs.programs import BPG, VTM
from sccore.codecs.without_loss import reduced
from sccore.data.decoding import encoded
from sccore.utils.errors import InputError

EXTRA = "pip install -e '.[codecs]'"
AOM = {"codec": "aom", "subsampling": "4:4:4", "speed": 6, "max_threads": 1}


def _library(name: str) -> Callable[[], dict]:
    return lambda: {name: features.version(name)}


def _avif_versions():
    from PIL import _avif

    return {"libavif": _avif.libavif_version, "avif_codecs": _avif.codec_versions()}


def _heif_versions():
    info = import_module("pillow_heif").libheif_info()
    return {"pillow-heif": metadata.version("pillow-heif"), "libheif": info["libheif"], "hevc_encoder": info["HEIF"]}


@dataclass(frozen=True)
class PillowCodec:
    """A file format that Pillow, or a plugin of it, writes and reads."""

    name: str
    format: str  # Pillow's name for it
    settings: str
    qualities: tuple[int, ...]
    options: dict  # of Image.save
    libraries: Callable[[], dict]  # versions of what does the work
    hint: str = "the wheels of Pillow 11.3 and later have it"
    plugin: str | None = None
    needs: tuple[str, ...] = ()  # encoders that libheif must have
    scale: tuple[int, int] = (0, 100)  # of qualities

    def missing(self) -> str:
        if self.plugin:
            try:
                plugin = import_module(self.plugin)
            except ImportError:
                return f"{self.plugin} is not installed; {self.hint}"
            if hasattr(plugin, "register_heif_opener"):
                plugin.register_heif_opener()
            if lacks := [encoder for encoder in self.needs if encoder not in plugin.libheif_info()["encoders"]]:
                return f"{self.plugin} was built without {', '.join(lacks)}; {self.hint}"
        Image.init()
        return "" if self.format in Image.SAVE else f"this Pillow cannot write {self.format}; {self.hint}"

    def versions(self) -> dict[str, str]:
        return {"pillow": metadata.version("pillow")} | self.libraries()

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2 * image.size)  # an optimised JPEG must fit into one block
        try:
            return self.written(image, quality)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.name} cannot code {image.shape[1]}x{image.shape[0]}: {error}") from None

    def written(self, image: np.ndarray, quality: int) -> bytes:
        return encoded(image, self.format, quality=quality, **self.options)

    def decode(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(data), formats=[self.format]) as file:
                image = np.array(file.convert("RGB"))
        except (OSError, ValueError, RuntimeError, SyntaxError) as error:
            raise InputError(f"{self.name} cannot decode its file: {error}") from None
        if image.shape[:2] != tuple(size):
            raise InputError(f"{self.name} decodes to {image.shape[1]}x{image.shape[0]}, not {size[1]}x{size[0]}")
        return image


@dataclass(frozen=True)
class FewColours(PillowCodec):
    """A lossless format after the picture's colours were reduced to so many; their number is the quality."""

    def written(self, image: np.ndarray, quality: int) -> bytes:
        return encoded(reduced(image, quality), self.format, **self.options)


CODECS = {
    codec.name: codec
    for codec in (
        PillowCodec(
            "jpeg",
            "JPEG",
            "YCbCr 4:4:4, optimised Huffman tables",
            (5, 10, 20, 40, 70, 92),
            {"subsampling": 0, "optimize": True},
            _library("libjpeg_turbo"),
            scale=(1, 100),
        ),
        PillowCodec(
            "webp",
            "WEBP",
            "lossy, method 6; YCbCr 4:2:0, the format has no other",
            (0, 10, 30, 55, 75, 92),
            {"method": 6},
            _library("webp"),
        ),
        FewColours(
            "webp-colours",
            "WEBP",
            "reduced to so many colours (median cut, then k-means), lossless after that, method 6",
            (4, 8, 16, 32, 64),
            {"lossless": True, "quality": 100, "method": 6},
            _library("webp"),
            scale=(2, 256),
        ),
        PillowCodec(
            "jxl",
            "JXL",
            "VarDCT in XYB, effort 7, one thread",
            (5, 15, 30, 50, 72, 88),
            {"effort": 7, "num_threads": 1},
            lambda: {"pillow-jxl-plugin": metadata.version("pillow-jxl-plugin")},
            EXTRA,
            "pillow_jxl",
        ),
        PillowCodec(
            "avif",
            "AVIF",
            "aom, speed 6, YCbCr 4:4:4, tune=psnr, tune-content=screen, one thread",
            (1, 6, 14, 24, 36, 50),
            AOM | {"advanced": {"tune": "psnr", "tune-content": "screen"}},
            _avif_versions,
        ),
        PillowCodec(
            "avif-plain",
            "AVIF",
            "as avif, without tools for screens: no palettes, no copies of what was seen before",
            (1, 6, 14, 24, 36, 50),
            AOM | {"advanced": {"tune": "psnr", "enable-palette": "0", "enable-intrabc": "0"}},
            _avif_versions,
        ),
        PillowCodec(
            "hevc",
            "HEIF",
            "x265 intra, preset slow, YCbCr 4:4:4, tune=psnr; a HEIF file",
            (0, 8, 16, 24, 34, 46),
            {"chroma": 444, "enc_params": {"tune": "psnr"}},
            _heif_versions,
            EXTRA,
            "pillow_heif",
            ("x265",),
        ),
        BPG(),
        VTM("vtm"),
        VTM("vtm-scc", screen=True),
        VTM("vtm-rgb", rgb=True),
        VTM("vtm-scc-rgb", screen=True, rgb=True),
    )
}


def usable(names: Sequence[str] | None = None) -> tuple[list, list[str]]:
    """The codecs of these names (of all, unless given) that can be used here, and "name: why not" of the others."""
    if unknown := [name for name in names or () if name not in CODECS]:
        raise InputError(f"unknown codec {', '.join(unknown)}; known: {', '.join(CODECS)}")
    here, skipped = [], []
    for codec in (CODECS[name] for name in dict.fromkeys(names or CODECS)):
        if why := codec.missing():
            skipped.append(f"{codec.name}: {why}")
        else:
            here.append(codec)
    return here, skipped


def check_qualities(names: Sequence[str] | None, qualities: Sequence[int] | None):
    """Refuses qualities that are not on the scale of one of these codecs, or of all."""
    for codec in (CODECS[name] for name in names or CODECS if name in CODECS):
        low, high = codec.scale
        if outside := [quality for quality in qualities or () if not low <= quality <= high]:
            raise InputError(f"{codec.name}: quality {outside[0]} is outside its scale, {low} to {high}")


def listing() -> str:
    """A line a codec: name, then its settings and versions, or why it is missing and how to get it."""
    lines = []
    for codec in CODECS.values():
        why = codec.missing()
        have = "" if why else ", ".join(f"{software} {version}" for software, version in codec.versions().items())
        lines.append(f"{codec.name:12} " + (f"missing: {why}" if why else f"{codec.settings} ({have})"))
    return "\n".join(lines)
