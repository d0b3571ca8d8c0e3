"""Lossless pictures as bitstreams of WebP lossless, without the 20 bytes of the file around them (RFC 9649, Section 3).

A .sci file holds such a stream where it is smaller than the learned picture, and beside a learned picture for its alpha.
"""

import io
import struct

import numpy as np
from PIL import Image

from sccore.data.decoding import LARGEST, allowing, encoded
from sccore.utils.errors import InputError, first_line

SIGNATURE, SIDE = 0x2F, 2**14 - 1  # first byte of a stream; pixels a side that Pillow's encoder takes
FULL = 0.55  # of the bytes of a quick search: what the full one is taken to need at least, see sccore.evaluation.lossless
HEADER = 5  # bytes: the signature, 14 bits each of width - 1 and height - 1, whether there is alpha, 3 bits of version


def encode(image: np.ndarray, quick: bool = False) -> bytes | None:
    """The stream of an image, uint8 (H, W, 3) or (H, W, 4); None for one with a side above SIDE.

    Colours under fully transparent pixels are not kept, everything else is. A quick search takes a small part of the time; it is
    for a guess at what the full one needs, FULL of its bytes at least.
    """
    if max(image.shape[:2]) > SIDE:
        return None
    data, at = encoded(image, "WEBP", lossless=True, quality=75 if quick else 100, method=6), 12
    while data[at : at + 4] != b"VP8L":
        at += 8 + (length := struct.unpack_from("<I", data, at + 4)[0]) + length % 2
    return data[at + 8 : at + 8 + struct.unpack_from("<I", data, at + 4)[0]]


def header(stream: bytes) -> tuple[int, int, bool]:
    """Width, height, and whether there is alpha.

    Raises:
        InputError: not the beginning of a stream.
    """
    bits = int.from_bytes(stream[1:HEADER], "little")
    if len(stream) < HEADER or stream[0] != SIGNATURE or bits >> 29:
        raise InputError("damaged: no lossless picture where one should be")
    return (bits & SIDE) + 1, (bits >> 14 & SIDE) + 1, bool(bits >> 28 & 1)


def decode(stream: bytes) -> np.ndarray:
    """The image of a stream, uint8 (H, W, 3) or (H, W, 4). Its :func:`header` says how much memory that takes.

    Raises:
        InputError: damaged, or too little memory.
    """
    width, height, _ = header(stream)
    chunk = b"VP8L" + struct.pack("<I", len(stream)) + stream + bytes(len(stream) % 2)
    file = io.BytesIO(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)
    try:
        with allowing(width * height if width * height > LARGEST // 2 else None), Image.open(file, formats=["WEBP"]) as image:
            return np.array(image)
    except MemoryError:
        raise InputError(f"too little memory for {width}x{height} pixels") from None
    except Exception as error:  # decoders raise what they like
        raise InputError(f"damaged: its lossless picture ({first_line(error)})") from None
