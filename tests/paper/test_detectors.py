"""Tables and figures of masks say what the records hold, and what is not recorded."""

import json

import numpy as np
import pytest

from sccore.paper import detectors
from sccore.text import words
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)

    def write(name, images, dataset="pages"):
        (tmp_path / dataset).mkdir(exist_ok=True)
        (tmp_path / dataset / f"{name}.json").write_text(json.dumps({"detector": name, "label": name, "images": images}), encoding="utf-8")

    return write


def row(name, **other):
    return {
        "name": name,
        "width": 1000,
        "height": 1000,
        "mask": 200,
        "truth": 100,
        "both": 80,
        "words": 10,
        "found": 9,
        "cpu_s": 2.0,
    } | other


def test_table_of_all_pages_or_of_those_held_back(record):
    names = [f"p{k}.png" for k in range(6)]
    record("craft", [row(name) for name in names])
    record("own", [row(names[0], found=10)])
    lines = detectors.detector_table("pages", held_back=False).splitlines()
    assert "| `craft` | CRAFT, the paper's choice | 6 of 6 | 90.0 | 80.0 | 40.0 | 36.4 | 2 |" in lines
    assert "| `own` | own | 1 of 6 | 100.0 | 80.0 | 40.0 | 36.4 | 2 |" == lines[-1]
    assert any(line.startswith("| `east` |") and "not recorded yet" in line for line in lines)
    assert "2 of 2" in detectors.detector_table("pages")
    assert len(words.held_back_of([name[:-4] for name in names])) == 2


def test_table_without_records_says_so(record):
    assert detectors.detector_table("pages").count("not recorded yet") == len(detectors.DETECTORS)


def test_a_damaged_record_is_named(record, tmp_path):
    record("craft", [{"name": "a.png"}])
    with pytest.raises(InputError, match="craft.json: not a record of such"):
        detectors.detector_table("pages")


def test_stability_is_drawn_over_the_rate(record):
    point = lambda quality, bpp, both: row("a.png", codec="jpeg", quality=quality, bpp=bpp, mask=100, truth=100, both=both)
    assert "not recorded" in detectors.stability("stability").axes[0].texts[0].get_text()
    record("craft", [point(10, 0.2, 60), point(90, 1.0, 100)], "stability")
    (line,) = detectors.stability("stability").axes[0].lines
    assert line.get_xdata().tolist() == [0.2, 1.0] and line.get_ydata().tolist() == pytest.approx([60 / 140, 1])


def test_kinds_of_prior_and_how_much_they_say(screen):
    image, mask = screen(64, 96)
    figure = detectors.kinds_of_prior({"one": (image, mask), "two": (image, mask)})
    assert len(figure.axes) == 8 and "binary" in figure.axes[1].get_title()


def test_noise_says_more_than_a_constant():
    noise = np.random.default_rng(0).random((128, 128))
    assert detectors.lossless_bits(np.zeros((128, 128))) < 0.1 and 8 < detectors.lossless_bits(noise) < 8.5


def test_the_price_of_a_larger_scale_is_said_or_missing(tmp_path, monkeypatch):
    assert detectors.price_of_scale().startswith("`craft` finds ") and "times the work" in detectors.price_of_scale()
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert detectors.price_of_scale() == "`craft` beside `craft-1.5`: not recorded yet."
