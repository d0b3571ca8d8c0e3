"""What tables are made of."""

import pytest

from sccore.paper.tables import MISSING, anchor_among, change, clear, interval, table, training_log
from sccore.utils.errors import InputError


def test_the_anchor_is_one_that_is_recorded():
    assert anchor_among(["jpeg", "wacnn"], "jpeg") == "jpeg" and anchor_among(["jpeg", "wacnn"]) == anchor_among([]) == "wacnn"
    assert anchor_among(["sftip-3f2a", "webp"]) == "sftip-3f2a"
    with pytest.raises(InputError, match="no codec 'nosuch' is recorded on all images; there are: jpeg, wacnn"):
        anchor_among(["jpeg", "wacnn"], "nosuch")


@pytest.mark.parametrize("value, before, shown", [(110, 100, "+10.0 %"), (45, 60, "−25.0 %"), (7, 7, "0.0 %")])
def test_a_change_is_in_percent_of_what_was_before(value, before, shown):
    assert change(value, before) == shown


def test_a_table_without_rows_says_so_in_every_column():
    assert table(["a", "b"], [[1, None]]).splitlines()[-1] == "| 1 | – |"
    assert table(["a", "b", "c"], []).splitlines() == ["| a | b | c |", "| --- | --- | --- |", f"| {MISSING} | – | – |"]


def test_an_interval_or_the_reason_why_there_is_none():
    none = float("nan")
    assert interval({"low": -4.04, "high": 2.2}) == "−4.0 to +2.2"
    assert interval({"low": none, "high": none, "images": 1, "resamples": 1.0}) == "no interval: 1 image"
    assert interval({"low": none, "high": none, "images": 9, "resamples": 0.42}) == "no interval: 42 % of the resamples have a BD-rate"
    of_images = {"per_image_low": none, "per_image_high": none, "per_image": [1, 2, 3], "images": 9}
    assert interval(of_images, "per_image_") == "no interval: 3 images"


@pytest.mark.parametrize(
    "low, high, sign", [(-4.0, -0.06, -1), (-4.0, -0.04, 0), (-1.0, 1.0, 0), (0.06, 3.0, 1), (float("nan"), float("nan"), None)]
)
def test_a_difference_is_clear_if_zero_is_outside_its_interval_as_printed(low, high, sign):
    assert clear({"low": low, "high": high}) is sign


def test_a_log_is_told_in_a_sentence(tmp_path):
    rows = ["step,seconds,val_loss,val_bpp,val_psnr", "0,1.0,9.5,2.0,20.0", "600,90.0,,,", "1200,180.0,1.25,0.5,30.0", "1300,195.0,,,"]
    (path := tmp_path / "log.csv").write_text("\n".join(rows), encoding="utf-8")
    *_, last, _, said = training_log(path).splitlines()
    assert last == "| 1,200 | 1.250 | 0.500 | 30.00 |"
    assert said == "1,300 steps in 3.2 minutes; held-out loss 9.500 at step 0, 1.250 at the end."
    assert training_log(tmp_path / "none.csv") == MISSING
