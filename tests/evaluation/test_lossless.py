"""Lossless formats: every pixel is kept, the record is gone on with, and its table and line are drawn."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from sccore.codecs import webp
from sccore.evaluation import lossless
from sccore.paper import results
from sccore.paper.drawing.interactive import rd_plot
from sccore.paper.tables import MISSING
from sccore.utils.errors import InputError

pytest.importorskip("pillow_jxl", reason="JPEG XL's plugin is not installed")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (("a", (40, 64)), ("b", (17, 33))):
        Image.fromarray(rng.integers(0, 4, (*size, 3), dtype=np.uint8) * 80).save(tmp_path / f"{name}.png")
    return tmp_path


def test_each_image_and_format_has_a_row_and_the_record_is_gone_on_with(folder, tmp_path):
    out = tmp_path / "record.json"
    record = lossless.measure(folder, out, progress=False)
    assert len(record["images"]) == 2 * len(lossless.FORMATS) and not record["failed"]
    assert all(row["bytes"] > 20 for row in record["images"])
    assert all(("quick" in row) == (row["format"] == "WEBP") for row in record["images"])
    assert json.loads(out.read_text()) == record


def test_the_full_search_never_needs_less_than_the_codec_takes_it_to(folder, tmp_path, monkeypatch):
    shares = lossless.quick_shares()
    assert len(shares) >= 40 and shares.min() > webp.FULL
    monkeypatch.setattr(lossless, "FOLDER", tmp_path)
    assert lossless.quick_shares().empty
    lossless.measure(folder, tmp_path / "samples.json", progress=False)
    assert list(lossless.quick_shares().index) == ["a.png", "b.png"]


def test_what_changes_a_pixel_is_refused(monkeypatch):
    monkeypatch.setitem(lossless.FORMATS, "WEBP", {"quality": 10})
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="did not keep every pixel"):
        lossless.coded(noise, "WEBP")


def test_the_shipped_record_is_a_table_and_a_line(monkeypatch, tmp_path):
    shown = results.beside_lossless()
    assert shown.count("\n| ") == 2 + 10 and "**mean rates**" in shown and "JPEG XL" in shown
    rates = lossless.sizes()
    assert (rates["WEBP"] <= rates["PNG"]).all()
    frame = results.measured("samples")
    html = rd_plot(frame[frame["codec"] == "webp"], lossless=rates["WEBP"].mean())
    assert re.search(r'class="exact" x1="([\d.]+)".* x2="\1"', html) and "lossless WebP, " in html
    monkeypatch.setattr(lossless, "FOLDER", tmp_path)
    assert results.beside_lossless() == MISSING
