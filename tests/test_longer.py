"""Longer training is compared with longer training, from logs and records, and what is missing is said."""

import pandas as pd
import pytest

from sccore import longer, report


@pytest.fixture
def folder(tmp_path):
    """Logs of both lengths of baseline and model; the control has the short one alone."""
    for name, step, loss in (("wacnn-variable", 10, 2.0), ("sftip-variable", 10, 1.9), ("sftip-uniform-variable", 10, 2.1),
                             ("wacnn-long-variable", 40, 1.5), ("sftip-long-variable", 40, 1.2)):  # fmt: skip
        pd.DataFrame([{"step": step, "val_loss": loss, "val_bpp": 0.3, "val_psnr": 25.0}]).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


@pytest.fixture
def frame():
    """The longer baseline is better by 1 dB; the longer model needs 10 % less than it."""
    shift = {"wacnn-variable": (1.0, 0), "sftip-variable": (1.0, 0), "wacnn-long-variable": (1.0, 1), "sftip-long-variable": (0.9, 1)}
    return pd.DataFrame([{"codec": codec, "name": name, "lmbda": lmbda, "bpp": f * k, "psnr": 20.0 + 3 * k + up, "psnr_text": 18.0 + 3 * k + up,
                          "ms_ssim": 0.9} for codec, (f, up) in shift.items() for name in "ab"
                         for k, lmbda in enumerate((0.0018, 0.0035, 0.0067, 0.013), 1)])  # fmt: skip


def test_each_length_has_its_own_baseline(folder, frame):
    rows = longer.table({"samples": frame}, folder).splitlines()
    assert [row.split("`")[1] for row in rows[2:]] == ["wacnn-variable", "sftip-variable", "sftip-uniform-variable", "wacnn-long-variable",
                                                       "sftip-long-variable"]  # fmt: skip
    assert rows[-1] == "| `sftip-long-variable` | 40 | 1.200 | −20.0 % | −10.0 % (−10.0 to −10.0) | −10.0 % (−10.0 to −10.0) |"
    assert rows[4].endswith(f"| 2.100 | +5.0 % | {report.MISSING} | {report.MISSING} |")


def test_quality_is_of_the_middle_rate(folder, frame):
    rows = longer.quality(frame, folder).splitlines()
    assert rows[2] == "| `wacnn-variable` | 10 | 3.000 | 29.00 | 27.00 | 0.900 |" and rows[-1].startswith("| `sftip-long-variable` | 40 | 2.700 | 30.00 |")
    assert rows[4] == "| `sftip-uniform-variable` | 10 | – | – | – | – |"


def test_seeds_of_the_longer_runs_stand_beside_one_another(folder, frame):
    for name, loss in (("wacnn-long-variable-seed1", 2.0), ("sftip-long-variable-seed1", 1.9)):
        pd.DataFrame([{"step": 40, "val_loss": loss, "val_bpp": 0.3, "val_psnr": 25.0}]).to_csv(folder / f"{name}.csv", index=False)
    twins = [frame[frame["codec"] == f"{model}-long-variable"].assign(codec=f"{model}-long-variable-seed1") for model in ("wacnn", "sftip")]
    twins[1]["bpp"] *= 0.8 / 0.9  # this seed saves 20 %
    both = pd.concat([frame, *twins])
    row = longer.table({"samples": both}, folder).splitlines()[-1]
    assert row == "| `sftip-long-variable-seed1` | 40 | 1.900 | −5.0 % | −20.0 % (−20.0 to −20.0) | −20.0 % (−20.0 to −20.0) |"
    rows = longer.over_seeds({"samples": both}, folder).splitlines()
    assert rows[-1] == ("| `sftip-long-variable` | `wacnn-long-variable` | 2 | −11.4 % | −15.0 % (−15.0 to −15.0) | −15.0 % (−15.0 to −15.0) |")
    one = longer.over_seeds({"samples": both[both["codec"] != "sftip-long-variable-seed1"]}, folder).splitlines()[-1]
    assert "| 2 | −11.4 % | −10.0 % (−10.0 to −10.0), 1 of 2 seeds |" in one


def test_what_the_model_brings_beyond_its_control(folder, frame, tmp_path):
    control = frame[frame["codec"] == "sftip-variable"].assign(codec="sftip-uniform-variable")
    control["bpp"] *= 1.25
    rows = [row.split(" | ") for row in longer.over_seeds({"samples": pd.concat([frame, control])}, folder).splitlines()[2:]]
    assert [(row[0].strip("| "), row[1]) for row in rows] == [
        ("`sftip-variable`", "`wacnn-variable`"), ("`sftip-uniform-variable`", "`wacnn-variable`"),
        ("`sftip-variable`", "`sftip-uniform-variable`"), ("`sftip-long-variable`", "`wacnn-long-variable`")]  # fmt: skip
    assert rows[1][3] == "+5.0 %" and rows[1][4].startswith("+25.0 %") and rows[2][3] == "−9.5 %" and rows[2][4].startswith("−20.0 %")
    assert longer.over_seeds({"samples": frame}, folder).splitlines()[3].count(report.MISSING) == 2  # logged and not measured
    (folder / "wacnn-variable.csv").unlink()
    assert f"| `sftip-variable` | 10 | 1.900 | – | {report.MISSING}" in longer.table({"samples": frame[frame["codec"] != "wacnn-variable"]}, folder)
    empty = tmp_path / "none"
    empty.mkdir()
    for shown in (longer.table({"samples": frame}, empty), longer.over_seeds({"samples": frame}, empty), longer.quality(frame, empty)):
        assert report.MISSING in shown
