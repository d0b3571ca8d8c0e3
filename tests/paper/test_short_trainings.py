"""Short trainings: intervals cover seeds as well as images, and absence is said."""

import pandas as pd
import pytest

from sccore.paper import short_trainings
from sccore.paper.tables import MISSING


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
    middle, low, high = short_trainings.pooled(short, "sftip", "sftip-uniform")
    assert middle == pytest.approx(100 * ((0.95 + 0.867) / 2.02 - 1))
    assert low == pytest.approx(100 * (0.867 / 1.02 - 1), abs=1.5) and high == pytest.approx(-5, abs=1.5)
    assert short_trainings.pooled_cell(short.iloc[:0]) == MISSING


def test_each_seed_has_its_row_and_twins_say_what_chance_moves(short):
    shown = short_trainings.by_seed(short)
    assert "| 1 | −5.0 % (−5.0 to −5.0) | −5.0 %" in shown and "| 2 | −15.0 % (−15.0 to −15.0) |" in shown
    assert "differs by up to 9.6 % in the picture and 9.6 % in text regions." in shown
    assert MISSING in short_trainings.by_seed(short.iloc[:0])


def test_short_trainings_are_missing_until_they_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("sccore.utils.paths.RESULTS", tmp_path)
    assert short_trainings.chance() == short_trainings.scratch() == MISSING
    assert MISSING in short_trainings.over_chance() and MISSING in short_trainings.from_scratch()


def test_models_from_scratch_are_compared_with_one_another(short, monkeypatch):
    wacnn = short[short["codec"] == "sftip-seed1"].assign(codec="wacnn-seed1", bpp=lambda frame: 1.1 * frame["bpp"])
    frame = pd.concat([short[short["codec"].str.endswith("seed1")], wacnn])
    monkeypatch.setattr(short_trainings, "measured", lambda dataset: frame)
    assert short_trainings.from_scratch() == (
        "Trained from scratch, briefly, one seed of each, interval over images: picture −5.0 % (−5.0 to −5.0), text regions −5.0 % (−5.0 to −5.0)."
    )
