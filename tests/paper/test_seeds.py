"""Twins of another seed: what chance changes is read from logs and records, and its absence is said."""

import pandas as pd
import pytest

from sccore.paper import seeds
from sccore.paper.tables import MISSING


@pytest.fixture
def folder(tmp_path):
    """Logs of the baseline, its twin and the full model, with losses of 2.0, 2.1 and 1.9."""
    for name, loss in (("wacnn", 2.0), ("wacnn-seed1", 2.1), ("sftip", 1.9), ("sftip-mse", 9.0)):
        rows = [{"step": 0, "val_loss": 3.0}, {"step": 10, "val_loss": loss, "val_bpp": 0.3, "val_psnr": 25.0}, {"step": 11}]
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


@pytest.fixture
def frame():
    """The twin needs 10 % more for the same quality, the full model 10 % less."""
    factor = {"wacnn": 1.0, "wacnn-seed1": 1.1, "sftip": 0.9}
    return pd.DataFrame(
        [
            {"codec": codec, "name": name, "lmbda": k, "bpp": f * k, "psnr": 20.0 + 3 * k, "psnr_text": 18.0 + 3 * k}
            for codec, f in factor.items()
            for name in "ab"
            for k in (1, 2, 3, 4)
        ]
    )


def test_losses_and_rates_are_against_the_baseline_of_the_same_seed(folder, frame):
    shown = seeds.by_run(frame, folder)
    assert "| `sftip` | 0 | 1.900 | −5.0 % | 0.300 | 25.00 | −10.0 % (−10.0 to −10.0) |" in shown
    assert "| `wacnn-seed1` | 1 | 2.100 | – |" in shown  # it is the baseline of its seed
    assert "sftip-mse" not in shown  # another loss cannot be compared


def test_a_twin_is_compared_with_its_own(folder, frame):
    said = seeds.sentence(frame, folder)
    assert "`wacnn`: held-out loss +5.0 %, BD-rate of the picture +10.0 % (+10.0 to +10.0)" in said and "sftip" not in said


def test_both_seeds_together(folder, frame):
    assert seeds.together(frame, folder) == f"Both seeds together: {MISSING}."
    (folder / "sftip-seed1.csv").write_bytes((folder / "sftip.csv").read_bytes())
    twin = frame[frame["codec"] == "sftip"].assign(codec="sftip-seed1")
    said = seeds.together(pd.concat([frame, twin]), folder)
    assert f"the picture {100 * (0.9 / 1.05 - 1):+.1f} %".replace("-", "−") in said


def test_what_is_not_trained_or_measured_is_said(folder, frame, tmp_path):
    assert MISSING in seeds.by_run(frame.iloc[:0], folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert MISSING in seeds.by_run(frame, empty) and MISSING in seeds.sentence(frame, empty)


@pytest.fixture
def short():
    """Two seeds of each; the full model needs 5 % less with the first and 15 % less with the other, whose control is 2 % off."""
    factor = {"sftip-uniform-seed1": 1.0, "sftip-uniform-seed2": 1.02, "sftip-seed1": 0.95, "sftip-seed2": 0.85 * 1.02}
    return pd.DataFrame(
        [
            {
                "codec": codec,
                "name": name,
                "lmbda": k,
                "bpp": f * k,
                "psnr": 20.0 + 3 * k,
                "psnr_text": 18.0 + 3 * k if name == "a" else None,
            }
            for codec, f in factor.items()
            for name in "ab"
            for k in (1, 2, 3, 4)
        ]
    )


def test_an_interval_over_seeds_is_as_wide_as_the_seeds_are_apart(short):
    middle, low, high = seeds.pooled(short, "sftip", "sftip-uniform")
    assert middle == pytest.approx(100 * ((0.95 + 0.867) / 2.02 - 1))
    assert low == pytest.approx(100 * (0.867 / 1.02 - 1), abs=1.5) and high == pytest.approx(-5, abs=1.5)
    assert seeds.pooled_cell(short.iloc[:0]) == MISSING


def test_each_seed_has_its_row_and_twins_say_what_chance_moves(short):
    shown = seeds.by_seed(short)
    assert "| 1 | −5.0 % (−5.0 to −5.0) | −5.0 %" in shown and "| 2 | −15.0 % (−15.0 to −15.0) |" in shown
    assert "differs by up to 9.6 % in the picture and 9.6 % in text regions." in shown
    assert MISSING in seeds.by_seed(short.iloc[:0])


def test_short_trainings_are_missing_until_they_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("sccore.utils.paths.RESULTS", tmp_path)
    assert seeds.short() == MISSING and MISSING in seeds.over_chance()
