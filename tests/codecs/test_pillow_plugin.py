"""Pillow opens and saves .sci files, and loads torch only for what needs it."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import sccore
import sccore.codecs.pillow_plugin  # noqa: F401  registers
from sccore.codecs import coding


def test_there_and_back(tmp_path, screen):
    image = Image.fromarray(screen(64, 96)[0])
    image.save(tmp_path / "a.sci", lmbda=0.013, detector="none", fallback=False)
    assert (tmp_path / "a.sci").read_bytes() == sccore.encode(image, lmbda=0.013, detector="none", fallback=False)
    with Image.open(tmp_path / "a.sci") as again:
        assert again.format == "SCI" and again.size == (96, 64) and again.mode == "RGB" and again.info["lmbda"] == pytest.approx(0.013)
        assert np.array_equal(np.array(again), sccore.decode(tmp_path / "a.sci"))
    buffer, image = io.BytesIO(), Image.new("RGB", (160, 120), "white")
    image.paste("navy", (10, 20, 90, 30))
    image.save(buffer, "SCI", detector="none")
    assert np.array_equal(np.array(Image.open(io.BytesIO(buffer.getvalue()))), np.array(image))


def test_a_thumbnail_is_of_the_preview(tmp_path, screen, monkeypatch):
    image = screen(160, 320)[0]
    (tmp_path / "a.sci").write_bytes(data := sccore.encode(image, detector="none", fallback=False))
    with Image.open(tmp_path / "a.sci") as small, Image.open(tmp_path / "a.sci") as large:
        small.thumbnail((40, 20))
        large.thumbnail((160, 80))
    assert np.array_equal(
        np.array(large), np.array(Image.fromarray(sccore.decode(data)).resize((160, 80), Image.Resampling.BICUBIC, reducing_gap=2))
    )
    shown = Image.fromarray(sccore.decode(data, preview=True)).resize((40, 20), Image.Resampling.BICUBIC, reducing_gap=2)
    assert small.size == (40, 20) and np.array_equal(np.array(small), np.array(shown))


def test_opening_decodes_nothing(tmp_path, screen, monkeypatch):
    image = Image.fromarray(screen(40, 50)[0])
    image.putalpha(77)
    exif = Image.Exif()
    exif[0x010E] = "a page"
    image.info["exif"] = exif.tobytes()
    image.save(tmp_path / "a.sci", detector="none", metadata=True)
    monkeypatch.setattr(coding, "pixels", lambda *_: pytest.fail("decoded"))
    with Image.open(tmp_path / "a.sci") as again:
        assert again.mode == "RGBA" and again.getexif()[0x010E] == "a page" and again.info["lossless"]
        monkeypatch.undo()
        assert again.resize((5, 4)).getpixel((0, 0))[3] == 77


def test_a_file_larger_than_its_pixels_is_not_taken_for_them(tmp_path):
    """Pillow maps files of raw pixels into memory, which this is not."""
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    image.save(tmp_path / "a.sci", detector="none")
    with Image.open(tmp_path / "a.sci") as again:
        assert again.size == (3, 2) and np.array_equal(np.asarray(again)[1:], np.asarray(image)[1:])


def test_what_cannot_be_opened_is_an_os_error(tmp_path, saved, screen):
    data = sccore.encode(screen(64, 64)[0], saved("wacnn")[0], fallback=False)
    (tmp_path / "cut.sci").write_bytes(data[:-5])
    with pytest.raises(OSError, match="cut.sci: damaged: the checksum does not fit"):
        Image.open(tmp_path / "cut.sci")
    with Image.open(io.BytesIO(data)) as unknown, pytest.raises(OSError, match="needs weights .* not at hand"):
        unknown.load()
    with pytest.raises(sccore.InputError, match="outside"):
        Image.new("RGB", (8, 8)).save(tmp_path / "x.sci", lmbda=3, detector="none")
    with pytest.raises(TypeError, match="quality"):
        Image.new("RGB", (8, 8)).save(tmp_path / "x.sci", quality=90)


def test_registering_and_lossless_files_are_light(tmp_path):
    (tmp_path / "x.sci").write_bytes(sccore.encode(np.zeros((16, 16, 3), np.uint8), detector="none"))
    code = "import sys, sccore.codecs.pillow_plugin; from PIL import Image; Image.open(sys.argv[1]).load(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.sci"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
