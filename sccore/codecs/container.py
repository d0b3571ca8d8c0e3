"""The bytes of a .sci file, version 3. Taking one apart needs no weights and no torch.

====================  ==============================================================================================
bytes                 field
====================  ==============================================================================================
4                     magic, 53 43 49 1A ("SCI" and a control character)
1                     version, 03
1                     flags. Bits 0 to 2 tell the picture's kind: 0 to 4 learned, at that entry of LAMBDAS; 5 learned, at
                      another lambda; 6 of few colours, stored as 7, lossless. Bit 3: palette, bit 4: adapters, bit 5: alpha,
                      bit 6: EXIF, bit 7: XMP.
varint                width, 1 to 65535 pixels
varint                height, 1 to 65535 pixels
4                     learned: beginning of the sha256 of the weights that encoded it; only the very weights can decode
4                     kind 5: lambda, float32
varint + its value    as flagged, in this order: palette (:mod:`sccore.codecs.palette`), adapters
                      (:mod:`sccore.codecs.dec_adapter`), alpha, EXIF, XMP; then, of a learned picture, the string of z. Each
                      is its length and so many bytes
all but the last 4    the string of y, or the lossless picture
4                     CRC-32 of all bytes before it
====================  ==============================================================================================

Numbers are little-endian. A varint has seven bits a byte, the lowest first; the highest bit of a byte says that another follows
(LEB128), and no byte is there without need. Lossless pictures and alpha are bitstreams of WebP lossless, see :mod:`sccore.codecs.webp`.
"""

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccore.codecs import palette, webp
from sccore.presets import LAMBDAS
from sccore.utils.errors import InputError
from sccore.utils.files import regular

MAGIC, VERSION = b"SCI\x1a", 3
READ_BY = {1: "0.1.0", 2: "0.1.0"}  # earlier versions, and the sccore that reads them
OTHER_LAMBDA, FEW_COLOURS, LOSSLESS, KIND = 5, 6, 7, 0b111  # of the flags
EXACTLY = FEW_COLOURS, LOSSLESS  # kinds of pictures that are stored without loss
CHUNKS = {"palette": 1 << 3, "adapters": 1 << 4, "alpha": 1 << 5, "exif": 1 << 6, "xmp": 1 << 7}  # their flags, in the order of the file
IDENTITY = 4  # bytes
LARGEST = 2**16 - 1  # pixels a side
MOST_PIXELS = 2**26  # that are decoded, if nobody asks for more; a decoder needs some hundred bytes for each


@dataclass(frozen=True)
class File:
    """What a .sci file holds; a learned picture (identity, lmbda, z, y) or a lossless one, perhaps of the picture in few colours."""

    width: int
    height: int
    identity: bytes = b""
    lmbda: float = 0.0
    z: bytes = b""
    y: bytes = b""
    lossless: bytes = b""
    few_colours: bool = False
    palette: bytes = b""
    adapters: bytes = b""
    alpha: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def kind(self) -> str:
        """Of its picture, in words."""
        return "few colours" if self.few_colours else "lossless" if self.lossless else "learned"

    @property
    def has_alpha(self) -> bool:
        """Whether it decodes to four channels."""
        return webp.header(self.lossless)[2] if self.lossless else bool(self.alpha)

    @property
    def chunks(self) -> dict[str, int]:
        """Bytes of each part that is there; the rest of the file is the header and the checksum."""
        sizes = {name: len(getattr(self, name)) for name in ("lossless", "y", "z", *CHUNKS)}
        return {name: size for name, size in sizes.items() if size}


def pack(file: File) -> bytes:
    """The file's bytes."""
    flags = sum(bit for name, bit in CHUNKS.items() if getattr(file, name))
    head = varint(file.width) + varint(file.height)
    parts = [getattr(file, name) for name, bit in CHUNKS.items() if flags & bit]
    if file.lossless:
        flags |= FEW_COLOURS if file.few_colours else LOSSLESS
    else:
        kind = _kind(file.lmbda)
        flags |= kind
        head += file.identity[:IDENTITY] + (struct.pack("<f", file.lmbda) if kind == OTHER_LAMBDA else b"")
        parts.append(file.z)
    body = MAGIC + bytes([VERSION, flags]) + head + b"".join(varint(len(part)) + part for part in parts) + (file.lossless or file.y)
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: bytes, max_pixels: int | None = None) -> File:
    """The parts of a file. No length is believed: what does not fit is refused, and nothing is decoded yet.

    Args:
        max_pixels: a larger picture is refused; None refuses none.

    Raises:
        InputError: not a .sci file, another version, damaged, too large; says which.
    """
    if data[:4] != MAGIC:
        raise InputError("not a .sci file")
    if len(data) > 4 and data[4] != VERSION:
        reads = f"sccore {READ_BY[data[4]]} reads it" if data[4] in READ_BY else "a later sccore may read it"
        raise InputError(f".sci version {data[4]}, this decoder reads version {VERSION}; {reads}")
    if len(data) < 12:
        raise InputError("damaged: the file ends within its header")
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise InputError("damaged: the checksum does not fit (truncated or altered)")
    flags, reader = data[5], Reader(data[6:-4])
    kind, width, height = flags & KIND, reader.varint(), reader.varint()
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise InputError("damaged: impossible lengths in the header")
    if max_pixels is not None and width * height > max_pixels:
        raise InputError(f"{width}x{height} pixels, above the limit of {max_pixels}; --max-pixels (in Python: max_pixels) raises it")
    learned = kind not in EXACTLY
    found: dict = {"identity": reader.take(IDENTITY)} if learned else {"few_colours": kind == FEW_COLOURS}
    if learned:
        found["lmbda"] = struct.unpack("<f", reader.take(4))[0] if kind == OTHER_LAMBDA else _float32(LAMBDAS[kind])
        if not 0 <= found["lmbda"] < math.inf:
            raise InputError(f"damaged: impossible lambda {found['lmbda']:g} in the header")
    for name in [name for name, bit in CHUNKS.items() if flags & bit] + ["z"] * learned:
        found[name] = reader.take(reader.varint())
    file = File(width, height, **found, **{"y" if learned else "lossless": reader.rest()})
    _check(file, flags)
    return file


def _check(file: File, flags: int):
    """Refuses chunks that no encoder writes: empty ones, two alphas, bitstreams of another size than the picture."""
    if any(flags & bit and not getattr(file, name) for name, bit in CHUNKS.items()):
        raise InputError("damaged: an empty chunk")
    palette.entries(file.palette)
    if flags & KIND in EXACTLY and (file.palette or file.adapters or file.alpha):
        raise InputError("damaged: a lossless picture with parts of a learned one")
    streams = [file.lossless] if flags & KIND in EXACTLY else [file.alpha] if file.alpha else []
    if any(webp.header(stream)[:2] != (file.width, file.height) for stream in streams):
        raise InputError("damaged: a lossless picture of another size than the file's")


class Reader:
    """Takes bytes one after the other from what is there, and never more."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise InputError("damaged: impossible lengths in the header")
        self.at += length
        return self.data[self.at - length : self.at]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def varint(self) -> int:
        value, byte = 0, 0x80
        for shift in range(0, 35, 7):  # up to 2^35
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        if byte >= 0x80 or shift and not byte:  # without end, or longer than it need be
            raise InputError("damaged: impossible lengths in the header")
        return value


def varint(value: int) -> bytes:
    """A whole number from 0, seven bits a byte."""
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def described(data: bytes) -> str:
    """What a file is, in a line: bytes, bits per pixel, size, how its picture is coded, what lies beside it."""
    file = unpack(data)
    how = f"learned at lambda {file.lmbda:g}" if file.kind == "learned" else file.kind
    beside = [f"{name}: {size} bytes" for name, size in file.chunks.items() if name in CHUNKS]
    return ", ".join(
        [f"{len(data)} bytes", f"{8 * len(data) / (file.height * file.width):.3f} bpp", f"{file.width}x{file.height}", how, *beside]
    )


def read(path: Path | str) -> bytes:
    """The bytes of a .sci file, of another one its beginning; with a one-line error, also for a pipe or a device."""
    regular(path)
    try:
        with open(path, "rb") as file:
            return (start := file.read(len(MAGIC))) + (file.read() if start == MAGIC else b"")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror.lower()}") from None


def _kind(lmbda: float) -> int:
    known = [_float32(value) for value in LAMBDAS]
    return known.index(lmbda) if lmbda in known else OTHER_LAMBDA


def _float32(value: float) -> float:
    return float(np.float32(value))
