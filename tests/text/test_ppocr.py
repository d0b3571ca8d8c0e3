"""PP-OCR's map to boxes, and its weights."""

import numpy as np
import pytest

from sccore.text import craft, masks, official, ppocr
from sccore.utils.errors import InputError

try:
    ppocr.find_weights()
    MISSING = ""
except InputError as error:
    MISSING = str(error)


def likely(*lines, size=(80, 160)):
    """A map with `lines` = (left, top, right, bottom, probability)."""
    probability = np.zeros(size, np.float32)
    for left, top, right, bottom, value in lines:
        probability[top : bottom + 1, left : right + 1] = value
    return probability


def test_a_line_grows_by_area_over_perimeter():
    """100 x 10 pixels between their centres: each side moves by 1.6 * 1000 / 220."""
    (quad,) = ppocr.lines(likely((30, 30, 130, 40, 0.9)))
    grow = 1.6 * 1000 / 220
    assert np.sort(quad[:, 0])[[0, -1]] == pytest.approx([30 - grow, 130 + grow], abs=1e-3)
    assert np.sort(quad[:, 1])[[0, -1]] == pytest.approx([30 - grow, 40 + grow], abs=1e-3)


def test_what_is_unlikely_or_thin_is_no_line():
    assert ppocr.lines(likely()).shape == (0, 4, 2)
    assert len(ppocr.lines(likely((30, 30, 130, 40, 0.45)))) == 0  # each pixel would do, the box does not
    assert len(ppocr.lines(likely((30, 30, 130, 32, 0.9)))) == 0
    assert len(ppocr.lines(likely((30, 30, 130, 40, 0.9), (30, 60, 130, 70, 0.6)))) == 2


def test_weights_that_are_not_there_or_not_official(tmp_path, monkeypatch):
    monkeypatch.setattr(official, "find_spec", lambda name: None)
    monkeypatch.delenv(ppocr.VARIABLE, raising=False)
    with pytest.raises(InputError, match="pip install --no-deps rapidocr"):
        ppocr.find_weights()
    other = tmp_path / "other.onnx"
    other.write_bytes(b"x")
    with pytest.raises(InputError, match="not the official"):
        ppocr.find_weights(other)
    monkeypatch.setenv(ppocr.VARIABLE, str(tmp_path / "none.onnx"))
    with pytest.raises(InputError, match="SCCORE_PPOCR_WEIGHTS names it"):
        masks.load("ppocr")


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_lines_of_a_screenshot_are_found(screen):
    detector = ppocr.PPOCR()
    for size in ((160, 320), (161, 333)):
        image, craft = screen(*size)
        mask = masks.mask(image, detector)
        assert (mask & craft).sum() > 0.8 * craft.sum() and detector.weights in ppocr.OFFICIAL
    assert not masks.mask(np.full((40, 50, 3), 200, np.uint8), detector).any()


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_large_image_goes_through_in_tiles(screen, monkeypatch):
    image, _ = screen(448, 448)
    detector = ppocr.PPOCR()
    whole = masks.mask(image, detector)
    monkeypatch.setattr(craft.tiling, "__defaults__", (320 * 320,))
    tiled = masks.mask(image, detector)
    assert (whole & tiled).sum() > 0.8 * (whole | tiled).sum() > 0  # some layers average over the whole tile
