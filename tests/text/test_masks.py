"""Score maps to boxes to masks, the detectors, and masks of a folder."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from sccore.data.images import read_image, read_mask
from sccore.text import craft_weights, mask_folder, masks
from sccore.utils import files
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES


def maps(*words, size=(60, 100)):
    """Region and affinity maps, with `words` = (left, top, right, bottom, peak) as even blocks of that score."""
    region, affinity = np.zeros((2, *size), np.float32)
    for left, top, right, bottom, peak in words:
        region[top : bottom + 1, left : right + 1] = peak
    return region, affinity


def test_a_word_becomes_its_grown_rectangle():
    """40 x 10 cells, int(2 sqrt(400 * 10 / 400)) = 6: a 7 x 7 element adds 3 cells to each side; a cell is 2 pixels."""
    (quad,) = masks.boxes(*maps((20, 20, 59, 29, 0.9)))
    assert quad.tolist() == [[34, 34], [124, 34], [124, 64], [34, 64]]


def test_what_is_weak_or_tiny_is_no_word():
    assert len(masks.boxes(*maps())) == 0
    assert len(masks.boxes(*maps((20, 20, 59, 29, 0.69)))) == 0
    assert len(masks.boxes(*maps((20, 20, 22, 22, 0.9)))) == 0  # 9 cells
    assert len(masks.boxes(*maps((20, 20, 59, 29, 0.9), (5, 50, 40, 57, 0.8), (70, 5, 90, 12, 0.5)))) == 2


def test_affinity_joins_characters_to_a_word():
    region, affinity = maps((20, 20, 29, 29, 0.9), (40, 20, 49, 29, 0.9))
    assert len(masks.boxes(region, affinity)) == 2
    affinity[23:27, 28:42] = 0.6
    (word,) = masks.boxes(region, affinity)
    assert word[:, 0].min() < 2 * 20 and word[:, 0].max() > 2 * 49
    assert len(masks.boxes(region, affinity * 0.5)) == 2


def test_words_at_the_border_stay_on_the_map():
    (quad,) = masks.boxes(*maps((0, 0, 99, 9, 0.9)))
    assert quad.min() == pytest.approx(0, abs=1e-6) and quad[:, 0].max() == 2 * 99
    assert masks.fill(quad[None], (120, 200)).any(1).sum() < 40


def test_slanted_words_get_slanted_rectangles():
    region, affinity = maps(size=(100, 100))
    cv2.line(region, (20, 20), (70, 60), 0.9, 7)
    (quad,) = masks.boxes(region, affinity)
    assert 3 < cv2.contourArea(quad) / (4 * (region > 0).sum()) * 2 < 6  # far less than the upright box's
    assert cv2.contourArea(quad) < 0.7 * np.prod(np.ptp(quad, 0))
    assert quad.sum(1).argmin() == 0 and cv2.contourArea(quad, oriented=True) > 0  # clockwise from the upper left


def test_nearly_square_rectangles_stand_upright():
    region, affinity = maps(size=(100, 100))
    cv2.circle(region, (50, 50), 15, 0.9, -1)
    (quad,) = masks.boxes(region, affinity)
    assert len(np.unique(quad[:, 0])) == len(np.unique(quad[:, 1])) == 2


def test_overlapping_quads_do_not_cancel():
    quads = np.float32([[[2, 2], [11, 2], [11, 8], [2, 8]], [[7, 2], [17, 2], [17, 8], [7, 8]]])
    mask = masks.fill(quads, (12, 20))
    assert mask.dtype == bool and mask[2:9, 2:18].all() and mask.sum() == 7 * 16
    assert not masks.fill(np.zeros((0, 4, 2)), (3, 4)).any()
    assert masks.fill(quads - 5, (4, 4)).shape == (4, 4)  # partly outside


@pytest.mark.parametrize("height, width", [(1, 1), (1, 40), (33, 17), (200, 300)])
def test_blank_images_have_no_text(height, width):
    assert not masks.mask(np.full((height, width, 3), 250, np.uint8), "heuristic").any()


def test_the_heuristic_finds_words_and_leaves_boxes_alone():
    image = np.full((120, 400, 3), 255, np.uint8)
    cv2.putText(image, "several words of text", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.rectangle(image, (20, 70), (380, 110), (30, 60, 200), -1)
    mask = masks.mask(image, "heuristic")
    written = (image < 128).any(2)
    written[60:] = False
    assert (mask & written).sum() > 0.9 * written.sum()
    assert not mask[60:].any() and mask.mean() < 0.15


def test_the_heuristic_agrees_somewhat_with_craft():
    image = read_image(SAMPLES / "images" / "terminal.png")
    mask, reference = masks.mask(image, "heuristic"), read_mask(SAMPLES / "masks" / "terminal.png", image.shape[:2])
    assert (mask & reference).sum() / (mask | reference).sum() > 0.6


def test_scale_keeps_positions():
    seen = []

    def detector(image):
        seen.append(image.shape)
        return [[[10, 20], [30, 20], [30, 40], [10, 40]]]

    quads = masks.detect(np.zeros((101, 200, 3), np.uint8), detector, scale=2)
    assert seen == [(202, 400, 3)] and quads.tolist() == [[[5, 10], [15, 10], [15, 20], [5, 20]]]


def test_the_best_detector_is_the_one_whose_weights_are_there(monkeypatch):
    monkeypatch.setattr(craft_weights, "find_weights", lambda: "there")
    assert masks.best_available() == "craft"

    def missing(*_):
        raise InputError("no CRAFT weights")

    monkeypatch.setattr(craft_weights, "find_weights", missing)
    monkeypatch.delenv(craft_weights.VARIABLE, raising=False)
    assert masks.best_available() == "heuristic"
    monkeypatch.setenv(craft_weights.VARIABLE, "none.pth")  # named and not there: no silent second best
    with pytest.raises(InputError):
        masks.best_available()


def test_unusable_detectors_say_why(monkeypatch):
    with pytest.raises(InputError, match="unknown detector 'other'; known: craft, craft-text-detector, ppocr, east, rrd, heuristic"):
        masks.load("other")
    with pytest.raises(InputError, match="no weights"):
        masks.load("heuristic", "file.pth")
    monkeypatch.setattr(masks, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="not installed"):
        masks.load("craft-text-detector")


@pytest.fixture
def folder(tmp_path, screen):
    """Three parts of a screenshot as files."""
    (tmp_path / "images").mkdir()
    for name, size in (("a.png", 64), ("b.webp", 96), ("c.png", 128)):
        Image.fromarray(screen(size, 160)[0]).save(tmp_path / "images" / name)
    return tmp_path


def make(folder, **options):
    return mask_folder.make_masks(folder / "images", folder / "masks", "heuristic", progress=False, **options)


def test_masks_are_made_once(folder):
    assert make(folder) == {"made": 3, "kept": 0, "failed": {}}
    assert sorted(p.name for p in (folder / "masks").iterdir()) == [f"{s}.{e}" for s in "abc" for e in ("json", "png")]
    with Image.open(folder / "masks" / "b.png") as image:
        assert image.mode == "1" and image.size == (160, 96)
    source = read_image(folder / "images" / "b.webp")
    assert np.array_equal(read_mask(folder / "masks" / "b.png", (96, 160)), masks.mask(source, "heuristic"))
    record = json.loads((folder / "masks" / "b.json").read_text(encoding="utf-8"))
    assert record["detector"] == "heuristic" and record["scale"] == 1.0 and record["image"] == "b.webp"
    assert make(folder) == {"made": 0, "kept": 3, "failed": {}}


def test_masks_are_made_again_when_anything_differs(folder, screen, monkeypatch):
    make(folder)
    (folder / "masks" / "a.png").unlink()
    (folder / "masks" / "b.png").write_bytes(b"half")
    assert make(folder)["made"] == 2
    Image.fromarray(screen(70, 160)[0]).save(folder / "images" / "a.png")
    assert make(folder)["made"] == 1
    assert make(folder, scale=2.0)["made"] == 3
    monkeypatch.setattr(masks.Heuristic, "weights", "another")
    masks.load.cache_clear()
    assert make(folder, scale=2.0)["made"] == 3
    assert make(folder, scale=2.0)["kept"] == 3


@pytest.mark.parametrize("writes", range(6))
def test_killed_at_any_write_it_goes_on(folder, monkeypatch, writes):
    """Stopped before the n-th file is moved into place, with masks of another scale already there for a and b."""
    make(folder, scale=2.0)
    expected = {p.name: p.read_bytes() for p in (folder / "masks").iterdir()}
    make(folder)
    count = iter(range(100))

    def dies(source, target, replace=files.os.replace):
        if next(count) == writes:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            make(folder, scale=2.0)
    for path in (folder / "masks").glob("*.png"):
        read_image(path)  # whole at any time
    summary = make(folder, scale=2.0)
    assert summary["kept"] >= writes // 2 and not summary["failed"]
    assert {p.name: p.read_bytes() for p in (folder / "masks").iterdir()} == expected


def test_unreadable_images_are_named_and_the_others_masked(folder):
    (folder / "images" / "bad.png").write_bytes((folder / "images" / "a.png").read_bytes()[:200])
    (folder / "images" / "empty.png").write_bytes(b"")
    summary = make(folder)
    assert summary["made"] == 3 and set(summary["failed"]) == {"bad.png", "empty.png"}
    assert "bad.png: damaged" in summary["failed"]["bad.png"] and "empty file" in summary["failed"]["empty.png"]
    assert make(folder)["kept"] == 3


def test_masks_from_elsewhere_and_images_are_never_overwritten(folder):
    (folder / "masks").mkdir()
    Image.new("1", (160, 64)).save(folder / "masks" / "a.png")
    (folder / "masks" / "b.json").write_text("[]", encoding="utf-8")
    before = (folder / "masks" / "a.png").read_bytes()
    summary = make(folder)
    assert summary["made"] == 1 and set(summary["failed"]) == {"a.png", "b.webp"}
    assert "left alone" in summary["failed"]["a.png"]
    assert (folder / "masks" / "a.png").read_bytes() == before and not (folder / "masks" / "b.png").exists()
    with pytest.raises(InputError, match="choose another folder"):
        mask_folder.make_masks(folder / "images", folder / "images" / ".." / "images", "heuristic")
    with pytest.raises(InputError, match="no such folder"):
        mask_folder.make_masks(folder / "none", folder / "masks", "heuristic")
    with pytest.raises(InputError, match="scale"):
        make(folder, scale=0)


def test_training_images_with_the_masks_of_another_detector(tmp_path):
    from sccore.data.samples import Samples

    images = [(np.arange(40 * 60 * 3) % 251).astype(np.uint8).reshape(40, 60, 3), np.zeros((30, 50, 3), np.uint8)]
    samples = Samples.of(((name, image, np.ones(image.shape[:2], bool)) for name, image in zip("ab", images)), sha256="0")
    other = mask_folder.remask(samples, "heuristic", tmp_path, progress=False)
    for (image, mask), source in zip(other, images):
        assert np.array_equal(image, source) and np.array_equal(mask, masks.mask(source, "heuristic"))
    assert all(mask.all() for _, mask in samples) and other.sha256 != samples.sha256
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    again = mask_folder.remask(samples, "heuristic", tmp_path, progress=False)
    assert len(before) == 2 and before == {path: path.stat().st_mtime_ns for path in before}
    assert np.array_equal(again.pixels, other.pixels) and again.sha256 == other.sha256
