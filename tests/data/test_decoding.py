"""Pictures of every kind, whole, odd and made to harm: decoded as they are meant, or one line that names them."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image, ImageCms

from sccore.data import decoding, images
from sccore.data.images import read_image, read_mask
from sccore.utils import paths
from sccore.utils.errors import InputError

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
RGB = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(depth: int, colours: int, size: tuple[int, int], row: bytes, *extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", *size, depth, colours, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    )


def saved(image, format: str, **options) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, format, **options)
    return file.getvalue()


def profile(name: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    return exif


def read(content: bytes) -> tuple[np.ndarray, str]:
    """The pixels, and all that was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        image = read_image(io.BytesIO(content), "x")
    return image, " / ".join(str(warning.message) for warning in said if "x: " in str(warning.message))


SHORTS = struct.pack(">6H", 255, 65535, 0, 300, 20000, 40000)
WIDE = lambda mode: Image.fromarray(RGB).convert(mode)
LAB = ImageCms.profileToProfile(WIDE("RGB"), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")


OLD_PILLOW = pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="Pillow 11 and 12.0 do not read their own YCbCr TIFF")


@pytest.mark.parametrize(
    "content, pixels, note",
    [
        (png(16, 2, (2, 1), SHORTS), [[0, 255, 0], [1, 78, 156]], "16 bits"),
        (png(16, 2, (2, 1), SHORTS, chunk(b"tRNS", SHORTS[:6])), [[255] * 3, [1, 78, 156]], "put on white"),
        (png(16, 0, (2, 1), struct.pack(">2H", 255, 65535)), [[1] * 3, [255] * 3], "rounded to 8"),
        (png(16, 0, (2, 1), struct.pack(">2H", 255, 514), chunk(b"tRNS", b"\0\xff")), [[255] * 3, [2] * 3], "put on white"),
        (png(8, 0, (2, 1), b"\7\t", chunk(b"tRNS", b"\0\7")), [[255] * 3, [9] * 3], "put on white"),
        (png(8, 3, (2, 1), b"\0\1", chunk(b"PLTE", bytes(range(6))), chunk(b"tRNS", b"\0\xff")), [[255] * 3, [3, 4, 5]], "put on white"),
        (png(1, 0, (2, 1), b"\x40"), [[0] * 3, [255] * 3], ""),
        (png(8, 2, (1, 1), b"\1\2\3", chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nothing"))), [[1, 2, 3]], "profile damaged, ignored"),
        (png(8, 2, (1, 1), b"\1\2\3", chunk(b"iCCP", b"x\0\0" + zlib.compress(profile("LAB")))), [[1, 2, 3]], "ignored"),
        (png(8, 2, (1, 1), b"\1\2\3", chunk(b"iCCP", b"x\0\0" + zlib.compress(profile("sRGB")))), [[1, 2, 3]], ""),
        (png(8, 0, (1, 1), b"\x64", chunk(b"iCCP", b"x\0\0" + zlib.compress(profile("sRGB")))), [[100] * 3], ""),
        (b"P5 3 1 1023\n" + struct.pack(">3H", 0, 255, 1023), [[0] * 3, [64] * 3, [255] * 3], "rounded to 8"),
        (saved(np.array([[0, 255, 65535]], np.uint16), "TIFF"), [[0] * 3, [1] * 3, [255] * 3], "rounded to 8"),
        (saved(np.array([[0, 0.5, 1]], np.float32), "TIFF"), [[0] * 3, [128] * 3, [255] * 3], "floats"),
        (saved(np.dstack([RGB[..., 0], RGB[..., 0] * 0]), "PNG"), [[255] * 3] * 72, "put on white"),
        (saved(WIDE("CMYK"), "TIFF"), None, "CMYK without a usable colour profile"),
        pytest.param(saved(WIDE("YCbCr"), "TIFF"), None, "", marks=OLD_PILLOW),
        (saved(LAB, "TIFF"), None, "colours converted from its profile"),
        (saved(RGB, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0garbage"), None, ""),
        (saved(RGB, "DDS"), RGB.reshape(-1, 3).tolist(), ""),
        *(
            (saved(RGB, kind, exif=turned(6), **options), np.rot90(RGB, -1).reshape(-1, 3).tolist(), "turned as its EXIF orientation says")
            for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}))
        ),
    ],
)
def test_what_each_kind_decodes_to(content, pixels, note):
    image, said = read(content)
    assert note in said and (note or not said) and said.count("x: " + note) <= 1
    if pixels is not None:
        assert image.reshape(-1, 3).tolist() == pixels
    elif image.shape == RGB.shape:
        assert np.abs(image.astype(int) - RGB).mean() < 40


def moving() -> bytes:
    return saved(WIDE("P"), "GIF", save_all=True, append_images=[WIDE("P").rotate(180)])


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "empty file"),
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged image"),
        (png(8, 0, (2, 1), b"\1\2", chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(10**8)))), "damaged image (Decompressed data too large"),
        (png(8, 0, (2, 1), b"\1\2").replace(b"IDAT", b"IDAU"), "damaged image"),
        (png(8, 0, (60000, 60000), b"\1\2"), "larger than 134217728 pixels; --max-pixels lifts this limit"),
        (saved(np.array([[0, 2]], np.float32), "TIFF"), "float values from 0 to 2; 0 to 1"),
        (saved(np.array([[0, np.nan]], np.float32), "TIFF"), "float values from nan to nan"),
        (saved(np.array([[0, 2]], np.int32), "TIFF"), "signed integers"),
        (saved(RGB, "DDS")[:100], "damaged image"),
        (saved(RGB, "TIFF")[:60], "damaged image"),
        (saved(RGB, "TIFF", compression="tiff_lzw")[:130], "damaged image"),
        (saved(RGB, "WEBP")[:40], "damaged image"),
        (moving()[:40], "damaged image"),
    ],
)
def test_what_cannot_be_decoded_is_one_line(content, why):
    with pytest.raises(InputError) as error:
        read(content)
    assert str(error.value).startswith(f"x: {why}") and "\n" not in str(error.value)


def test_what_lies_behind_the_first_frame_does_not_stop_it():
    whole, said = read(moving())
    assert "only the first frame" in said
    cut, said = read(moving()[:-100])
    assert np.array_equal(cut, whole) and "first frame" in said


def test_the_case_files():
    good = read_image(CASES / "good.png")
    with pytest.warns(UserWarning, match="icc_swapped.png: colours converted from its profile to sRGB"):
        assert np.abs(read_image(CASES / "icc_swapped.png").astype(int) - good).max() <= 1
    with pytest.warns(UserWarning, match="turned"):
        assert read_image(CASES / "exif6.jpg").shape == (96, 64, 3)
    with pytest.warns(UserWarning, match="rounded to 8"):
        assert (read_image(CASES / "g16at255.png") == 1).all()
    with pytest.warns(UserWarning, match="floats"):
        assert read_image(CASES / "f01.tif").max() > 200
    with pytest.raises(InputError, match="corrupt.avif: damaged image .*Decoding of color planes failed"):
        read_image(CASES / "corrupt.avif")
    text = read_mask(CASES / "good_mask.png", (64, 96))
    assert 0.2 < text.mean() < 0.22 and np.array_equal(read_mask(CASES / "m01.png", (64, 96)), text)
    with pytest.raises(InputError, match="mgreen.png: has colours"):
        read_mask(CASES / "mgreen.png", (64, 96))


TEXT = np.zeros((8, 9), bool)
TEXT[2:5, 3:7] = True
BOTH = lambda low, high, kind=np.uint8: np.where(TEXT, high, low).astype(kind)
PALETTE = Image.fromarray(BOTH(1, 0), "P")
PALETTE.putpalette([255, 255, 255, 0, 0, 0])  # 0 is white
BLACK_ON_CLEAR = np.dstack([BOTH(0, 0)] * 3 + [BOTH(0, 255)])
STEPS = BOTH(0, 255)
STEPS[0, 0], STEPS[0, 1] = 100, 200


@pytest.mark.parametrize(
    "content, text, note",
    [
        *((saved(BOTH(low, high), "PNG"), TEXT, "") for low, high in ((0, 1), (0, 127), (0, 255), (3, 4), (200, 255))),
        (saved(TEXT, "PNG"), TEXT, ""),
        (saved(BOTH(0, 1, np.uint16), "PNG"), TEXT, ""),
        (saved(BOTH(0, 1, np.float32), "TIFF"), TEXT, ""),
        (saved(np.dstack([BOTH(0, 9)] * 3), "PNG"), TEXT, ""),
        (saved(PALETTE, "PNG"), TEXT, ""),
        (saved(BLACK_ON_CLEAR, "PNG"), TEXT, "transparency in a mask"),
        (saved(np.dstack([BOTH(0, 255), BOTH(255, 255)]), "PNG"), TEXT, ""),
        (saved(BOTH(0, 0), "PNG"), TEXT & False, ""),
        (saved(BOTH(1, 1), "PNG"), TEXT | True, ""),
        (saved(STEPS, "PNG"), STEPS > 127, "more than two grey levels"),
        (saved(TEXT.T[::-1], "PNG", exif=turned(6)), TEXT, "turned"),
    ],
)
def test_masks_of_every_kind(content, text, note):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert np.array_equal(read_mask(io.BytesIO(content), (8, 9), "m"), text)
    notes = " ".join(str(warning.message) for warning in said if "m: " in str(warning.message))
    assert note in notes and (note or not notes)


def test_places_that_hold_no_picture(tmp_path):
    (tmp_path / "c.png").mkdir()
    (tmp_path / "lost.png").symlink_to("nowhere.png")
    (tmp_path / "round.png").symlink_to("round.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name, why in (
        ("c.png", "is a folder"),
        ("lost.png", "a link to nothing"),
        ("pipe.png", "not a regular file"),
        ("round.png", "too many levels"),
        ("none.png", "no such file"),
    ):
        with pytest.raises(InputError, match=f"{name}: {why}"):
            read_image(tmp_path / name)


MUTATIONS = """
import io, random, resource, sys, time, warnings
import numpy as np
from PIL import Image
from sccore.data.images import read_image
from sccore.utils.errors import InputError

warnings.simplefilter("ignore")
image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
seeds = []
for kind, options in (("PNG", {}), ("WEBP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("AVIF", {}), ("GIF", {"save_all": True, "append_images": [image.rotate(90)]})):
    try:
        image.save(file := io.BytesIO(), kind, **options)
        read_image(io.BytesIO(file.getvalue()))
        seeds.append(file.getvalue())
    except (KeyError, InputError):
        pass  # this Pillow does not have it
import os
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 2**20,) * 2)
rng, slowest, outcomes = random.Random(0), 0.0, {True: 0, False: 0}
for content in seeds:
    for number in range(int(sys.argv[1])):
        data = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(min(len(data), 400) if rng.random() < 0.5 else len(data))
            way = rng.randrange(4)
            if way == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif way == 1:
                data[at] = rng.choice((0, 1, 127, 128, 255))
            elif way == 2:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))
            elif len(data) > 64:
                del data[rng.randrange(32, len(data)) :]
        start = time.process_time()
        try:
            assert read_image(io.BytesIO(bytes(data)), "x").ndim == 3
            outcomes[True] += 1
        except InputError as error:
            assert str(error).startswith("x: ") and "\\n" not in str(error), str(error)
            outcomes[False] += 1
        slowest = max(slowest, time.process_time() - start)
print(len(seeds), slowest, outcomes[True], outcomes[False])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from Linux's /proc")
def test_altered_files_decode_or_are_one_line_each(count=2000):
    """Bits turned, bytes put in, ends cut off, in a process that has 500 MB for it."""
    result = subprocess.run(
        [sys.executable, "-c", MUTATIONS, str(count)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(paths.ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    kinds, slowest, decoded, refused = map(float, result.stdout.split())
    assert kinds >= 4 and slowest < 2.0 and decoded > 100 and refused > 1000


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_alpha_is_kept_of_every_kind(tmp_path, mode):
    """Of palettes and of one colour that stands for transparent, too; opaque pictures have none."""
    image, options = Image.new(mode, (6, 4)), {}
    if mode in ("RGBA", "LA"):
        image.paste((9, 9, 9, 255) if mode == "RGBA" else (9, 255), (0, 0, 3, 4))
    else:
        image.putpalette([0, 0, 0, 9, 9, 9]) if mode == "P" else None
        image.paste(1 if mode == "P" else (9, 9, 9), (0, 0, 3, 4))
        options = {"transparency": 0 if mode == "P" else (0, 0, 0)}
    image.save(tmp_path / "x.png", **options)
    picture = images.read_picture(tmp_path / "x.png")
    assert (picture.alpha[:, :3] == 255).all() and not picture.alpha[:, 3:].any() and (picture.rgb[:, :3] == 9).all()
    flat = images.read_picture(tmp_path / "x.png", alpha=False)
    assert flat.alpha is None and np.array_equal(flat.rgb, images.read_image(tmp_path / "x.png")) and np.array_equal(flat.rgb, picture.flat)
    assert (flat.rgb[:, 3:] == 255).all()
    image.convert("RGB").save(tmp_path / "y.png")
    assert images.read_picture(tmp_path / "y.png").alpha is None


def test_alpha_of_a_palette_is_kept():
    """As DDS files have it; Pillow writes none."""
    header = struct.pack("<4s7I44x8I20x", b"DDS ", 124, 0x1007, 1, 2, 2, 0, 0, 32, 0x20, 0, 8, 0, 0, 0, 0)
    picture = images.read_picture(io.BytesIO(header + bytes([9, 8, 7, 255, 6, 5, 4, 100]).ljust(1024, b"\0") + bytes([1, 0])), "x.dds")
    assert picture.rgb.tolist() == [[[6, 5, 4], [9, 8, 7]]] and picture.alpha.tolist() == [[100, 255]]
