"""What is counted of a mask, records of detectors, and stability under compression."""

import json

import numpy as np
import pytest
from PIL import Image

from sccore.cli.command_line import main
from sccore.evaluation import detectors
from sccore.text import masks, words
from sccore.utils.errors import InputError

WORDS = [{"text": "one", "box": [10, 10, 50, 24]}, {"text": "two", "box": [60.2, 10, 99.6, 24]}]


@pytest.fixture
def folder(tmp_path):
    """Three pages with two words each, drawn as rows of strokes."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for name in "abc":
        image = np.full((64, 128, 3), 255, np.uint8)
        for word in WORDS:
            x0, y0, x1, y1 = map(int, word["box"])
            image[y0 + 2 : y1 - 2, x0 + 1 : x1 - 1 : 4] = 0
        Image.fromarray(image).save(folder / f"{name}.png")
        (folder / f"{name}.json").write_text(json.dumps(WORDS), encoding="utf-8")
    return folder


def test_the_oracle_is_perfect():
    row = detectors.score(words.oracle(WORDS, (64, 128)), WORDS)
    assert row["precision"] == row["recall"] == row["iou"] == 1 and row["words"] == row["found"] == 2


def test_nothing_and_everything():
    nothing = detectors.score(np.zeros((64, 128), bool), WORDS)
    assert nothing["precision"] is None and nothing["recall"] == nothing["iou"] == nothing["found"] == 0
    everything = detectors.score(np.ones((64, 128), bool), WORDS)
    assert everything["recall"] == 1 and everything["precision"] == everything["iou"] < 0.2 and everything["found"] == 2
    assert detectors.score(np.zeros((64, 128), bool), [])["recall"] is None


def test_a_word_is_found_when_half_of_it_is_covered():
    mask = np.zeros((64, 128), bool)
    mask[10:24, 10:30] = True
    assert detectors.score(mask, WORDS)["found"] == 1
    mask[:, 29] = False
    assert detectors.score(mask, WORDS)["found"] == 0


def test_words_outside_the_image_do_not_count():
    outside = [{"text": "x", "box": [200, 0, 240, 10]}, {"text": "y", "box": [-20, 10, -5, 20]}]
    assert detectors.score(np.ones((64, 128), bool), WORDS + outside)["words"] == 2


def test_total_counts_pixels_not_pages():
    rows = [detectors.score(mask, WORDS) | {"cpu_s": 1.0} for mask in (np.ones((64, 128), bool), np.zeros((64, 128), bool))]
    total = detectors.total(rows)
    assert total["recall"] == total["found"] == 0.5 and total["precision"] == rows[0]["precision"]
    assert total["cpu_s"] == pytest.approx(2e6 / (2 * 64 * 128))


def test_a_record_says_what_was_measured_and_goes_on(folder, tmp_path, monkeypatch):
    out = tmp_path / "heuristic.json"
    record = detectors.evaluate_detector(folder, "heuristic", out=out, progress=False)
    assert record == detectors.load_record(out) and len(record["images"]) == 3 and not record["failed"]
    assert record["dataset"]["images"] == 3 and record["dataset"]["part"] == "all" and record["scale"] == 1
    assert {"versions", "machine", "date", "command", "weights", "label"} <= record.keys()
    assert all(row["found"] == 2 for row in record["images"])

    record["images"].pop()
    out.write_text(json.dumps(record), encoding="utf-8")
    seen = []
    monkeypatch.setattr(masks, "detect", lambda *a: seen.append(a) or np.zeros((0, 4, 2), np.float32))
    assert len(detectors.evaluate_detector(folder, "heuristic", out=out, progress=False)["images"]) == 3 and len(seen) == 1
    with pytest.raises(InputError, match="record of other settings"):
        detectors.evaluate_detector(folder, "heuristic", scale=2, out=out, progress=False, replace=False)
    with pytest.raises(InputError, match="record of other images"):  # of the same ones, but another measurement
        detectors.evaluate_stability(folder, "heuristic", codecs=["jpeg"], qualities=[50], out=out, replace=False)
    assert detectors.load_record(out)["scale"] == 1
    detectors.evaluate_detector(folder, "heuristic", scale=2, out=out, progress=False)
    assert len(seen) == 4  # another measurement: all pages


def test_only_the_pages_held_back(folder):
    record = detectors.evaluate_detector(folder, "heuristic", held_back=True, progress=False)
    assert [row["name"][:-4] for row in record["images"]] == words.held_back_of(["a", "b", "c"])


def test_faulty_pages_are_named(folder, tmp_path, capsys):
    (folder / "b.json").write_text('[{"text": "x"}]', encoding="utf-8")
    (folder / "c.png").write_bytes(b"no image")
    out = tmp_path / "out.json"
    assert main(["evaluate-detector", str(folder), "--detector", "heuristic", "--out", str(out)]) == 3
    error = capsys.readouterr().err
    assert "b.json: not a list of" in error and "c.png" in error and len(detectors.load_record(out)["images"]) == 1
    (folder / "a.json").unlink()
    with pytest.raises(InputError, match="a.json: no such file"):
        detectors.evaluate_detector(folder, "heuristic", progress=False)


def test_masks_are_more_stable_at_higher_quality(tmp_path, screen):
    image, _ = screen(160, 320)
    Image.fromarray(image).save(tmp_path / "a.png")
    out = tmp_path / "records" / "heuristic.json"
    arguments = ["mask-stability", str(tmp_path), "--detector", "heuristic", "--quality", "5", "95", "--out", str(out)]
    assert main(arguments) == 0
    low, high = detectors.load_record(out)["images"]
    assert low["bpp"] < high["bpp"] and low["iou"] < high["iou"] and high["iou"] > 0.9
    assert main([*arguments, "--codec", "none"]) == 1


@pytest.mark.parametrize("content", ["", "[]", '{"images": [{"name": "a"}]}', '{"images": []}'])
def test_a_damaged_record_is_an_input_error(tmp_path, content):
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="x.json"):
        detectors.load_record(tmp_path / "x.json")
    with pytest.raises(InputError, match="y.json"):
        detectors.load_record(tmp_path / "y.json")
