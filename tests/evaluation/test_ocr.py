"""The character error rate: nothing where nothing changed, more where more was lost, and the truth where it is known."""

import os

import cv2
import numpy as np
import pytest

from sccore.codecs import classical
from sccore.evaluation import ocr
from sccore.utils.errors import InputError

needs_reader = pytest.mark.skipif(bool(ocr.missing()), reason=ocr.missing() or "-")
WORDS = ("Screens are full of text", "and text wants to be read")


@pytest.fixture(scope="module")
def page():
    """Two lines of dark text on white far from each other, one bright on dark, the mask of all, and the words."""
    image, mask, words = np.full((240, 520, 3), 255, np.uint8), np.zeros((240, 520), bool), []
    image[160:] = 30
    for y, text, colour in ((50, WORDS[0], 0), (120, WORDS[1], 0), (210, "bright on dark", 255)):
        x = 20
        for word in text.split():
            (width, height), below = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 2)
            cv2.putText(image, word, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (colour,) * 3, 2, cv2.LINE_AA)
            mask[y - height - 2 : y + below, x : x + width] = True
            words.append({"text": word, "box": [x, y - height - 2, x + width, y + below]})
            x += width + 14
    return image, mask, words


def jpeg(image, quality):
    return classical.CODECS["jpeg"].decode(classical.CODECS["jpeg"].encode(image, quality), image.shape[:2])


def test_words_make_blocks(page):
    boxes = ocr.paragraphs(page[1])
    assert len(boxes) == 3 and all(15 < height < 40 for _, height in boxes)
    assert ocr.paragraphs(np.zeros((20, 20), bool)) == []
    assert [text for _, text in ocr.lines(page[2], page[1].shape)] == [*WORDS, "bright on dark"]


@needs_reader
def test_what_is_read_is_what_stands_there(page, monkeypatch):
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    image, mask, words = page
    assert [block.text for block in ocr.blocks(image, mask)] == [*WORDS, "bright on dark"]
    assert [block.invert for block in ocr.blocks(image, mask)] == [False, False, True]
    assert "OMP_THREAD_LIMIT" not in os.environ  # a training that is started later would wait for ever
    assert ocr.characters(image, mask) == sum(map(len, WORDS)) + len("bright on dark") == ocr.characters(image, mask, words)


@needs_reader
def test_nothing_changed_nothing_lost(page):
    image, mask, words = page
    assert ocr.cer(image, image, mask) == 0 == ocr.cer(image, image, mask, words)


@needs_reader
def test_strong_jpeg_costs_characters(page):
    image, mask, words = page
    small = cv2.resize(cv2.resize(image, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA), image.shape[1::-1])
    assert ocr.cer(image, jpeg(image, 90), mask) <= 0.05 < ocr.cer(image, jpeg(small, 5), mask) <= 2
    assert ocr.cer(image, jpeg(small, 5), mask, words) > 0.05
    assert ocr.cer(image, np.full_like(image, 255), mask) == 1


@needs_reader
def test_the_original_is_read_once(page, monkeypatch):
    image, mask = page[0].copy(), page[1]
    image[0, 0] = 7  # an image of its own
    calls = []
    monkeypatch.setattr(ocr, "_read", lambda picture, there, read=ocr._read: calls.append(1) or read(picture, there))
    for _ in range(3):
        ocr.cer(image, image, mask)
    assert len(calls) == 4


@needs_reader
def test_without_text_there_is_no_rate(page):
    image, mask = page[:2]
    assert ocr.cer(image, image, np.zeros_like(mask)) is None and ocr.cer(image, image, None) is None
    assert ocr.cer(image, image, mask, []) is None


def test_edits_of_all_blocks_count_together():
    pytest.importorskip("rapidfuzz")
    block = lambda text: ocr.Block((0, 0, 1, 1), 1.0, False, text)
    assert ocr.errors((block("abcd"), block("xy")), ["abxd", "xyz"]) == pytest.approx(2 / 6)


def test_a_missing_reader_is_one_line(page, monkeypatch):
    pytest.importorskip("pytesseract")
    monkeypatch.setattr("pytesseract.pytesseract.tesseract_cmd", "no-such-program")
    with pytest.raises(InputError, match="no character error rate: tesseract is not installed: apt install tesseract-ocr"):
        ocr.cer(page[0], page[0], page[1])


@needs_reader
def test_versions_name_the_reader():
    assert ocr.versions()["tesseract"][0].isdigit() and ocr.versions()["rapidfuzz"]
