"""Pages with word boxes: reading, crops."""

import json

import numpy as np
import pytest
from PIL import Image

from sccore.text import words
from sccore.utils.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Two pages whose words are filled boxes of one colour, so that crops can be checked by looking."""
    for name, size in (("a", (300, 200)), ("b", (90, 120))):
        image = np.zeros((*size[::-1], 3), np.uint8)
        boxes = [[10, 12, 50, 26], [60, 40, 66, 52], [20, 70, 85, 90]]
        for x0, y0, x1, y1 in boxes:
            image[y0:y1, x0:x1] = 255
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.json").write_text(json.dumps([{"text": "w", "box": box} for box in boxes]), encoding="utf-8")
    return tmp_path


def test_pages_are_read_and_hashed(folder):
    pages = words.Pages(folder, progress=False)
    assert len(pages) == 2 and pages.boxes[0].shape == (3, 4) and pages.images[1].shape == (120, 90, 3)
    before = pages.sha256
    (folder / "b.json").write_text("[]", encoding="utf-8")
    pages = words.Pages(folder, progress=False)
    assert pages.sha256 != before and pages.boxes[1].shape == (0, 4)


@pytest.mark.parametrize("content", ["", "[1]", '[{"text": "w"}]', '[{"box": [1, 2]}]'])
def test_pages_without_words_are_refused(folder, content):
    (folder / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="a.json: not a list of"):
        words.Pages(folder, progress=False)
    (folder / "a.json").unlink()
    with pytest.raises(InputError, match="a.json: No such file"):
        words.Pages(folder, progress=False)


def test_crops_keep_words_and_boxes_together(folder, monkeypatch):
    monkeypatch.setattr(words, "recolour", lambda image, rng: image)
    pages = words.Pages(folder, progress=False)
    for seed in range(40):
        image, quads, ignore = words.crop(pages, 96, np.random.default_rng(seed))
        assert image.shape == (96, 96, 3) and len(quads) == len(ignore)
        truth = np.zeros((96, 96), bool)
        for quad in quads:
            (x0, y0), (x1, y1) = np.round(quad[0]).astype(int), np.round(quad[2]).astype(int)
            truth[y0:y1, x0:x1] = True
        edges = 2 * (np.ptp(quads, 1).sum(1)).sum() if len(quads) else 0
        assert ((image[..., 0] > 127) != truth).sum() <= edges


def test_crops_are_the_seeds(folder):
    pages = words.Pages(folder, progress=False)
    crops = [words.crop(pages, 64, np.random.default_rng((0, step)))[0] for step in (1, 1, 2)]
    assert np.array_equal(crops[0], crops[1]) and not np.array_equal(crops[0], crops[2])


def test_recolouring_keeps_size_and_contrast():
    image = np.zeros((32, 32, 3), np.uint8)
    image[8:24, 8:24] = 255
    for seed in range(20):
        other = words.recolour(image, np.random.default_rng(seed))
        assert other.shape == image.shape and other.dtype == np.uint8
        assert abs(float(other[16, 16, 0]) - float(other[2, 2, 0])) > 40


def test_a_third_is_held_back_whatever_the_order():
    stems = [f"page{k}" for k in range(10)]
    kept = words.held_back_of(stems)
    assert len(kept) == 3 and set(kept) == set(words.held_back_of(stems[::-1])) < set(stems)


def test_the_oracle_fills_the_boxes():
    mask = words.oracle([{"text": "x", "box": [2.2, 3.0, 5.8, 6.4]}], (10, 12))
    assert mask.sum() == 5 * 4 and mask[3:7, 2:7].all()
    assert not words.oracle([], (10, 12)).any()


def test_words_are_read_or_refused(tmp_path):
    path = tmp_path / "a.json"
    for content in ("", "{}", '[{"text": "x", "box": [1, 2, 3]}]', '[{"text": "x"}]', '[{"box": [1, 2, 3, "x"]}]'):
        path.write_text(content, encoding="utf-8")
        if content != "{}":
            with pytest.raises(InputError, match="a.json"):
                words.read_words(path)
    path.write_text(json.dumps([{"text": "x", "box": [1, 2, 3, 4]}]), encoding="utf-8")
    assert words.boxes(words.read_words(path)).tolist() == [[1, 2, 3, 4]]
    with pytest.raises(InputError, match="b.json"):
        words.read_words(tmp_path / "b.json")
