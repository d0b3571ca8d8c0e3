"""Table 6 and the error rates from records: signs, sentences in place of numbers, commands for what is missing."""

import re

import numpy as np
import pytest

from sccore.codecs import classical
from sccore.evaluation import metrics
from sccore.evaluation.records import save_record
from sccore.paper import character_errors, table_6
from sccore.paper.tables import MISSING
from sccore.utils import paths

RATES = (0.1, 0.2, 0.3, 0.4, 0.5)
NAMES = [f"{name}.png" for name in "abcde"]


def row(name, rate, gain=0.0):
    """A row whose every metric is better with rate, and with `gain` more."""
    step = rate + gain
    return {
        "name": name,
        "lmbda": rate,
        "bpp": rate,
        "psnr": 20 + 10 * step,
        "psnr_text": 15 + 10 * step,
        "ms_ssim": 0.8 + 0.1 * step,
        "ms_ssim_text": 0.7 + 0.1 * step,
        "gmsd": 0.3 - 0.2 * step,
        "vsi": 0.9 + 0.1 * step,
        "mdsi": 0.5 - 0.2 * step,
        "cer": 0.6 - 0.5 * step,
        "cer_weight": 100 if name == "a.png" else 75,
    }


def record(codec, rows):
    return {"codec": codec, "checkpoint": {"file": None, "sha256": "0f"}, "command": "made up", "images": rows, "failed": []}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(table_6, "FOLDER", tmp_path / "integrity")
    (tmp_path / "integrity").mkdir()
    return tmp_path / "integrity"


@pytest.fixture
def found(folder):
    """Two codecs, the first of which needs about 0.05 bpp less."""
    for codec, gain in ((table_6.WEIGHTED, 0.05), (table_6.PLAIN, 0.0)):
        rows = [row(name, rate, gain) for name in NAMES for rate in RATES]
        save_record(folder / f"{codec}.json", record(codec, rows))
    return table_6.collect()


def plain(html):
    seen = re.sub(r"<details.*?<summary>(.*?)</summary>.*?</details>", r"\1", html.split("</style>")[1], flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", seen)


@pytest.mark.parametrize("name", [name for name in metrics.METRICS if name != "asiqe_r"])
def test_the_better_codec_saves_bits_by_every_ruler(found, name):
    value = table_6.compare(found.frame, name)
    assert value["bd_rate"] < -10 and value["low"] - 1e-9 <= value["bd_rate"] <= value["high"] + 1e-9
    assert table_6.compare(found.frame, name, table_6.PLAIN, table_6.WEIGHTED)["bd_rate"] > 10


def test_the_table_says_what_is_missing_and_keeps_the_paper_s_number(found):
    shown = plain(table_6.html(found))
    assert "−21.3" in shown and "ASIQE-R" in shown and "not measured by this metric" in shown
    assert shown.count("−") > 20 and set(found.missing) == {"wacnn", "jpeg", "webp", "webp-colours", "avif"}
    assert "python -m sccore anchors --codec jpeg --images samples" in found.missing["jpeg"]
    assert "evaluate --checkpoint data/checkpoints/wacnn.safetensors --name wacnn" in found.missing["wacnn"]


def test_a_record_of_another_ruler_adds_its_column(folder, found):
    for codec, gain in ((table_6.WEIGHTED, 0.05), (table_6.PLAIN, 0.0)):
        rows = [row(name, rate, gain) | {"asiqe_r": 0.5 + rate + gain} for name in NAMES for rate in RATES]
        save_record(folder / f"{codec}+asiqe_r.json", record(codec, rows))
    both = table_6.collect()
    assert len(both.frame) == len(found.frame) and len(both.records[table_6.PLAIN]) == 2
    for name in ("asiqe_r", "cer"):
        assert table_6.compare(both.frame, name)["bd_rate"] < -10


def test_a_curve_that_does_not_rise_gives_a_sentence(found):
    found.frame.loc[found.frame["lmbda"] == 0.3, "cer"] = 0.9
    assert "does not rise in quality with every step in rate" in table_6.compare(found.frame, "cer")
    assert "No BD-rate: the anchor curve does not rise" in plain(table_6.html(found))


def test_without_records_the_page_still_stands(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    found = table_6.collect()
    assert set(found.missing) == set(table_6.CODECS) and found.frame.empty
    assert f"suite --only {table_6.PLAIN} --data data/open` trains it, then `python -m sccore evaluate" in found.missing[table_6.PLAIN]
    assert MISSING in plain(table_6.html(found))
    assert MISSING in character_errors.reading_table(found) and MISSING in character_errors.monotone_table(found)
    assert character_errors.cer_curves(found).axes
    assert character_errors.line("graph+10+10", 64, 32, table_6.PLAIN).axes
    assert table_6.collect(codecs="nothing").missing["nothing"].startswith("not recorded; no such codec; known: jpeg")


def test_records_without_the_reader_are_drawn_too(folder):
    rows = [{k: v for k, v in row("a.png", rate).items() if not k.startswith("cer")} for rate in RATES]
    save_record(folder / "jpeg.json", record("jpeg", rows))
    found = table_6.collect()
    assert character_errors.read_codecs(found.frame) == [] and character_errors.cer_curves(found).axes
    assert "not measured by this metric" in table_6.compare(found.frame, "cer", "jpeg", "jpeg")


def test_error_rates_are_of_all_characters_together(found):
    rows = found.frame["name"] == "a.png"
    found.frame.loc[rows, "cer"] = 0.2
    found.frame.loc[~rows, "cer"] = 0.6
    points = character_errors.curve(found.frame, table_6.WEIGHTED)
    assert points["cer"].tolist() == pytest.approx([0.5] * 5) and points["characters"].tolist() == [400] * 5
    assert "50.0 % | 400 | 5 |" in character_errors.reading_table(found)


def test_what_rises_is_named(found):
    assert character_errors.monotone(found.frame, table_6.PLAIN) == {
        "mean": True,
        "images": dict.fromkeys(NAMES, True),
        "steps": 20,
        "rises": 0,
    }
    found.frame.loc[(found.frame["name"] == "a.png") & (found.frame["lmbda"] == 0.5), "cer"] = 1.0
    seen = character_errors.monotone(found.frame, table_6.PLAIN)
    assert seen["images"] == {**dict.fromkeys(NAMES, True), "a.png": False} and (seen["steps"], seen["rises"]) == (20, 1)
    assert "| **no** | 4 of 5 | 1 of 20 | a |" in character_errors.monotone_table(found)


def test_a_line_is_shown_at_every_rate():
    figure = character_errors.line("windows95+204+168", 96, 36, table_6.WEIGHTED, lmbdas=(0.0018, 0.025))
    assert len(figure.axes) == 3 and all(axes.get_xlabel() for axes in figure.axes)
    [said] = character_errors.line("nowhere+0+0", 96, 36, table_6.WEIGHTED).axes[0].texts
    assert "no image nowhere in samples; there are: codec_wiki" in " ".join(said.get_text().split())
    [said] = character_errors.line("graph+0+0 graph+9+9", 96, 36, table_6.WEIGHTED).axes[0].texts
    assert said.get_text().startswith("one crop is shown here, not 2")


def test_a_folder_is_measured_when_asked(tmp_path, monkeypatch, screen):
    from PIL import Image

    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(table_6, "usable", lambda: ["ms_ssim_text"])
    for name, layer in zip(("images", "masks"), screen(176, 192)):
        (tmp_path / "shots" / name).mkdir(parents=True)
        Image.fromarray(np.asarray(layer)).save(tmp_path / "shots" / name / "x.png")
    found = table_6.collect(str(tmp_path / "shots"), "jpeg", measure=True)
    assert (
        found.frame["quality"].tolist() == list(classical.CODECS["jpeg"].qualities) and found.frame["ms_ssim_text"].is_monotonic_increasing
    )
