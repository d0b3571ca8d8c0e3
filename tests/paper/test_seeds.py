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
            for name in "abcde"
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


def test_seeds_count_where_both_were_measured(frame):
    assert seeds.count(frame, "sftip") == 1
    twin = frame[frame["codec"] == "sftip"].assign(codec="sftip-seed1")
    assert seeds.count(pd.concat([frame, twin]), "sftip") == 2 and seeds.count(twin, "sftip") == 0


def test_what_is_not_trained_or_measured_is_said(folder, frame, tmp_path):
    assert MISSING in seeds.by_run(frame.iloc[:0], folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert MISSING in seeds.by_run(frame, empty) and MISSING in seeds.sentence(frame, empty)
