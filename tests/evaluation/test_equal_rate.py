"""Crops at equal size of file, and the frame with a border to drag."""

import base64
import io
import os
import re

import numpy as np
import pytest
from PIL import Image

from sccore.codecs import checkpoint, classical
from sccore.evaluation import equal_rate
from sccore.paper.drawing.compare import gallery, slider
from sccore.utils.errors import InputError


def test_the_search_finds_the_closest_file_with_few_tries():
    sizes, tried = [3, 5, 9, 10, 30, 31, 90], []

    def encode(setting):
        tried.append(setting)
        return bytes(sizes["abcdefg".index(setting)])

    for size, setting in [(9, "c"), (8, "c"), (11, "d"), (25, "e"), (0, "a"), (1000, "g")]:
        tried.clear()
        assert equal_rate.nearest(encode, "abcdefg", size)[0] == setting
        assert len(tried) == len(set(tried)) <= 5


def test_codecs_meet_at_the_same_rate(saved, screen):
    path = str(saved("wacnn")[1])
    image, mask = screen(96, 128)
    first = equal_rate.code(path, image, mask, lmbda=0.0067)
    again = equal_rate.code(path, image, mask, bpp=first.bpp)
    assert again.size == pytest.approx(first.size, rel=0.02) and again.setting.startswith("λ = ")
    avif = equal_rate.code("avif", image, mask, bpp=1.0)
    assert avif.bpp == pytest.approx(1.0, rel=0.1) and avif.psnr_text and re.fullmatch(r"quality \d+", avif.setting)
    assert avif.image.shape == image.shape and avif.size == 96 * 128 * avif.bpp / 8


def test_a_codec_that_is_not_here_says_how_to_get_it(screen, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="bpg: no bpgenc.*libbpg"):
        equal_rate.code("bpg", screen(16, 16)[0], bpp=1)


def test_qualities_that_count_down_are_searched_from_small_files_to_large(screen, monkeypatch):
    class Down:
        name, qualities, scale = "down", (46, 26), (0, 51)
        missing = staticmethod(lambda: "")
        encode = staticmethod(lambda image, quality: bytes(1000 - 10 * quality))
        decode = staticmethod(lambda data, size: np.zeros((*size, 3), np.uint8))

    monkeypatch.setitem(classical.CODECS, "down", Down)
    found = equal_rate.code("down", screen(16, 16)[0], bpp=700 * 8 / 256)
    assert (found.setting, found.size) == ("quality 30", 700)


def test_crops_are_named_and_lie_inside():
    assert equal_rate.parse("a+1+2 b-c+30+0") == [("a", 1, 2), ("b-c", 30, 0)]
    with pytest.raises(InputError, match="NAME.LEFT.TOP"):
        equal_rate.parse("a,1,2")
    layer = np.arange(12).reshape(3, 4)
    assert equal_rate.cut(layer, 1, 1, 2, 2).tolist() == [[5, 6], [9, 10]]
    assert equal_rate.cut(layer, 1, 0, 3, 1).tolist() == [[1, 2, 3]] and np.array_equal(equal_rate.cut(layer, 0, 0, 4, 3), layer)
    with pytest.raises(InputError, match="3x2.1.2 is not inside an image of 4x3"):
        equal_rate.cut(layer, 1, 2, 3, 2)


@pytest.mark.parametrize("width, height", [(0, 5), (5, -3)])
def test_a_crop_has_a_pixel_at_least(screen, width, height):
    with pytest.raises(InputError, match=f"the crop {width}x{height}.* is not inside"):
        equal_rate.cut(screen(20, 20)[0], 1, 1, width, height)


def test_the_frame_holds_the_pictures_themselves_and_can_be_moved_by_keys():
    pictures = {f"<{i}>": np.random.default_rng(i).integers(0, 256, (8, 12, 3), dtype=np.uint8) for i in range(3)}
    html = slider(pictures, left=2, right=0, notes={"<2>": "7 < 8 bytes"})
    found = re.findall(r'<img class="(.*?)" data-name="(.*?)".*?base64,(.*?)"', html)
    assert [(kind.strip(), name) for kind, name, _ in found] == [("right", "&lt;0&gt;"), ("", "&lt;1&gt;"), ("left", "&lt;2&gt;")]
    for (_, _, content), picture in zip(found, pictures.values()):
        assert np.array_equal(np.array(Image.open(io.BytesIO(base64.b64decode(content)))), picture)
    assert '<span class="left">7 &lt; 8 bytes</span><span class="right"></span>' in html
    assert 'type="range"' in html and html.count("<select") == 2 and html.count("aria-label") == 3
    assert "http" not in html and "<script" not in html


def test_a_gallery_shows_every_picture_enlarged_with_what_is_said_of_it():
    pictures = {name: np.zeros((8, 12, 3), np.uint8) for name in ("original", "a < b")}
    html = gallery(pictures, {"a < b": "9 bytes"}, zoom=3)
    assert html.count("<img") == 2 and "minmax(min(100%, 36px), 1fr)" in html and "<b>a &lt; b</b> 9 bytes" in html


def test_weights_are_loaded_once_and_anew_when_their_file_changed(saved, screen, tmp_path, monkeypatch):
    loaded, real = [], checkpoint.load_model
    monkeypatch.setattr(checkpoint, "load_model", lambda name: loaded.append(name) or real(name))
    path, (image, mask) = tmp_path / "own.safetensors", screen(64, 64)
    for name in ("wacnn", "wacnn", "sftip"):
        path.write_bytes(saved(name)[1].read_bytes())
        os.utime(path, (1, 1 + (name == "sftip")))
        coded = equal_rate.code(str(path), image, mask, lmbda=0.0067)
    assert len(loaded) == 2 and coded.size == equal_rate.code(saved("sftip")[1], image, mask, lmbda=0.0067).size
    with pytest.raises(InputError, match="^none: no such checkpoint; shipped: "):
        equal_rate.code("none", image, mask, lmbda=0.0067)
