"""Times of commands are those of the records, in the column of their machine."""

import json

import pytest

from sccore.paper import reproduce
from sccore.utils import paths


@pytest.mark.parametrize("seconds, shown", [(8.4, "8 s"), (150, "2.5 min"), (7200, "2 h"), (950400, "11 days")])
def test_seconds_are_said_in_their_unit(seconds, shown):
    assert reproduce.said(seconds) == shown


def test_a_time_stands_in_the_column_of_its_machine():
    old, new = reproduce.Time(60, "Xeon, 2 cores"), reproduce.Time(30, "EPYC, 2 cores", "summed")
    assert reproduce.columns([old, new]) == ["30 s (summed)", None]
    assert reproduce.columns([reproduce.Time(600, "NVIDIA H100")]) == [None, "10 min"]


def test_times_come_from_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert reproduce.coding("encode") == reproduce.measuring(["sftip"]) == reproduce.stage("sftip") == []
    (tmp_path / "speed").mkdir()
    record = {"date": "2026", "machine": "M", "seconds": {"chosen": {"encode": [1.0, 9.0, 2.0]}}}
    (tmp_path / "speed/coding-m.json").write_text(json.dumps(record), encoding="utf-8")
    assert reproduce.coding("encode") == [reproduce.Time(2.0, "M")]
    rows = [{"model": "sftip", "preset": "paper", "way": "ours", "images_s": 4.0}]
    (tmp_path / "speed/training-m.json").write_text(json.dumps({"date": "2026", "machine": "M", "rows": rows}), encoding="utf-8")
    assert reproduce.at_speed(40, "sftip", "paper") == [reproduce.Time(10.0, "M", "computed")]


def test_every_command_is_one_that_there_is():
    shown = reproduce.commands()
    assert "`papermill notebooks/train.ipynb -p lmbda 0.0035` | 2 min (its limit)" in shown
    for notebook in ("table-1", "train"):
        assert (paths.ROOT / f"notebooks/{notebook}.ipynb").exists() and f"{notebook}.ipynb" in shown
