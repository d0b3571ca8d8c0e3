"""The bytes of a file: what was packed is unpacked, and nothing that was not packed."""

import random
import struct
import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
import vectors

from sccore.codecs import container, webp
from sccore.codecs.checkpoint_files import by_identity
from sccore.codecs.container import File, pack, unpack
from sccore.utils.errors import InputError

PLAIN = File(1920, 1080, b"abcd", float(np.float32(0.0067)), z=b"z" * 300, y=b"y" * 20000)


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def test_an_ordinary_header_is_short():
    """By hand, as the table of the format says."""
    data = pack(PLAIN)
    assert data == sealed(b"SCI\x1a\x03\x02" + b"\x80\x0f" + b"\xb8\x08" + b"abcd" + b"\xac\x02" + b"z" * 300 + b"y" * 20000)
    assert len(data) - 20300 == 20


def test_every_form_comes_back():
    rng, one = random.Random(0), webp.encode(np.zeros((20, 30, 3), np.uint8))
    assert one[:1] == b"/" and len(one) < 30
    for _ in range(300):
        some = lambda: rng.randbytes(rng.choice((0, 1, 127, 128, 20000)))
        rest = {"exif": some(), "xmp": some()}
        if rng.random() < 0.3:
            file = File(30, 20, lossless=one, **rest)
        else:
            lmbda = float(np.float32(rng.choice((0.0018, 0.025, 0.01, 0.0))))
            palette = rng.randbytes(4 * rng.randrange(9))
            file = File(30, 20, b"abcd", lmbda, some(), some(), adapters=some(), palette=palette, alpha=rng.choice((b"", one)), **rest)
        data = pack(file)
        assert unpack(data) == file and pack(unpack(data)) == data
        assert 10 <= len(data) - sum(file.chunks.values()) <= 33


@pytest.mark.parametrize(
    "body, message",
    [
        (b"\x02", "ends within its header"),
        (b"\x02\x01\x01abcd", "impossible lengths"),  # no length of z
        (b"\x02\x00\x01abcd\x00", "impossible lengths"),
        (b"\x02\x80\x80\x04\x01abcd\x00", "impossible lengths"),  # 65536 wide
        (b"\x02\x81\x00\x01abcd\x00", "impossible lengths"),  # longer than need be
        (b"\x02\xff\xff\xff\xff\xff\xff\x01\x01abcd\x00", "impossible lengths"),
        (b"\x02\x01\x01abcd\xff\xff\xff\xff\x0f", "impossible lengths"),
        (b"\x02\x01\x01abcd\x05zzzz", "impossible lengths"),
        (b"\x06\x01\x01", "ends within|no lossless picture"),
        (b"\x06\x01\x01/\x00\x40\x00\x00", "of another size"),
        (b"\x16\x01\x01\x01a/\x00\x00\x00\x00", "with parts of a learned one"),
        (b"\x0a\x01\x01abcd\x00\x00", "an empty chunk"),
        (b"\x0a\x01\x01abcd\x03rgb\x00", "no palette"),
        (b"\x0f\x01\x01\x04rgbr/\x00\x00\x00\x00", "with parts of a learned one"),
        (b"\x05\x01\x01abcd\x00\x00\xc0\x7f\x00", "lambda nan"),
        (b"\x05\x01\x01abcd\x00", "impossible lengths"),
        (b"\x12\x01\x01abcd\x00\x00", "an empty chunk"),
        (b"\x22\x01\x01abcd\x05/\x00\x00\x00\x00", "impossible lengths"),
        (b"\x22\x01\x01abcd\x05/\x01\x00\x00\x00\x00", "of another size"),
        (b"\x22\x01\x01abcd\x05/\x00\x00\x00\x20\x00", "no lossless picture"),
        (b"\x07\x01\x01", "ends within|no lossless picture"),
        (b"\x07\x01\x01/\x00\x40\x00\x00", "of another size"),
        (b"\x17\x01\x01\x01a/\x00\x00\x00\x00", "with parts of a learned one"),
    ],
)
def test_no_length_and_no_flag_is_believed(body, message):
    with pytest.raises(InputError, match=message):
        unpack(sealed(b"SCI\x1a\x03" + body))


def test_limits_come_before_memory():
    with pytest.raises(InputError, match="65535x65535 pixels, above the limit of 100"):
        unpack(pack(replace(PLAIN, width=65535, height=65535)), 100)
    assert {field.name for field in fields(File)} >= set(container.CHUNKS)


def test_damaged_lossless_pictures_are_one_line():
    rng = random.Random(0)
    stream = webp.encode(np.random.default_rng(0).integers(0, 50, (20, 30, 4), dtype=np.uint8))
    assert webp.header(stream) == (30, 20, True)
    for _ in range(200):
        broken = bytearray(stream)
        broken[rng.randrange(webp.HEADER, len(stream))] ^= 1 << rng.randrange(8)
        try:
            assert webp.decode(bytes(broken[: rng.choice((len(stream), len(stream) // 2))])).shape[:2] == (20, 30)
        except InputError as error:
            assert "damaged: its lossless picture" in str(error)
    assert webp.encode(np.zeros((1, 20000, 3), np.uint8)) is None


@pytest.mark.parametrize("name", [path.stem for path in sorted(vectors.FOLDER.glob("*.sci"))])
def test_files_that_every_later_decoder_must_read(name):
    """They are written anew by `python tests/vectors.py`, only while the coder still changes or where other weights are shipped."""
    file = unpack((vectors.FOLDER / f"{name}.sci").read_bytes())
    try:
        file.lossless or by_identity(file.identity)
    except InputError:
        pytest.skip("its weights are not shipped any more")
    vectors.check(name)


def test_they_are_of_every_form():
    found = {part for path in vectors.FOLDER.glob("*.sci") for part in unpack(path.read_bytes()).chunks}
    assert found == {"lossless", "y", "z", *container.CHUNKS}
