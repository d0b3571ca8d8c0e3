"""The explorer's numbers are the codec's, and what it keeps is what it computed."""

import numpy as np
import pytest

from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model
from sccore.paper import explorer
from sccore.utils.device import native_bf16


@pytest.fixture(scope="module")
def look():
    return explorer.Explorer(load_model("sftip"))


def test_size_and_picture_are_those_of_the_file(look, screen):
    crop, mask = screen(128, 192)
    seen = look.code(crop, mask, 0.0067)
    file = sci.encode(crop, look.model, 0.0067, mask, bf16=native_bf16("cpu"))
    assert seen.size == pytest.approx(len(file), rel=0.03)
    difference = np.abs(seen.image.astype(int) - sci.decode(file, look.model))
    assert difference.mean() < 0.1 and seen.bits_map.shape == (8, 12)


def test_another_lambda_needs_no_new_analysis(look, screen, monkeypatch):
    crop, mask = screen(64, 64)
    small = look.code(crop, mask, 0.0018)
    monkeypatch.setattr(sci, "analyse", lambda *_: pytest.fail("analysed again"))
    assert look.code(crop, mask, 0.025).size > small.size


def test_avif_is_of_about_the_same_size(look, screen):
    crop, _ = screen(128, 192)
    if (seen := look.avif(crop, 2000)) is None:
        pytest.skip("this Pillow has no AVIF")
    assert seen.image.shape == crop.shape and 500 < seen.size < 8000


def test_masks_grow_shrink_and_are_replaced():
    mask = np.zeros((9, 9), bool)
    mask[3:6, 3:6] = True
    assert explorer.altered(mask, "detected", 1).sum() == 25 and explorer.altered(mask, "detected", -1).sum() == 1
    assert explorer.altered(mask, "text everywhere").all() and not explorer.altered(mask, "no text").any()
    assert explorer.altered(mask, "detected") is mask


def test_regions_share_area_and_bits(screen):
    crop, mask = screen(128, 128)
    shares = explorer.by_region(crop, mask, np.ones((8, 8)))
    for area, bits in shares.values():
        assert area == pytest.approx(bits)  # equal bits everywhere
    assert sum(area for area, _ in shares.values()) == pytest.approx(100)
    assert explorer.said_by_region({"text": (20.4, 55.0)}) == "text: 20 % of the area, 55 % of the bits"
