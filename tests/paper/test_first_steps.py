"""First steps: runs are compared that differ in one thing, Adam at its best rate."""

import json

import pytest

from sccore.paper import first_steps
from sccore.paper.tables import MISSING
from sccore.utils import paths


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    ends = {
        ("noise", "muon", 0.003): [9, 5, 4],
        ("klt", "muon", 0.003): [9, 3, 1],
        ("klt", "muon", 0.001): [9, 3, 3],
        ("klt", "adam", 0.003): [9, 8, 7],
        ("klt", "adam", 0.001): [9, 4, 2],
    }
    runs = [
        {
            "start": start,
            "optimizer": name,
            "recipe": {"optimizer": name, "lr": lr, "batch": 4, "crop": 64},
            "step": [0, 10, 20],
            "val_loss": losses,
        }
        for (start, name, lr), losses in ends.items()
    ]
    (tmp_path / "speed").mkdir()
    (tmp_path / "speed" / "first-steps.json").write_text(json.dumps({"machine": "a machine", "runs": runs}), encoding="utf-8")


def test_what_differs_is_the_start_or_the_optimiser(recorded):
    assert [run["start"] for run in first_steps.by_start()] == ["klt", "noise"]
    assert [run["optimizer"] for run in first_steps.by_optimizer()] == ["adam", "muon"]
    starts = first_steps.of_starts()
    assert "at a held-out loss of 4.00, the KLT start at 1.00. It was below the other's last value after 10 steps." in starts
    said = first_steps.of_optimizers()
    assert "Adam was tried at the learning rates 0.003, 0.001; at 0.001 it ended its 20 steps at a held-out loss of 2.00." in said
    assert "Muon was tried at 0.003, 0.001; at 0.003 it ended its 20 steps at a held-out loss of 1.00." in said
    assert "Muon was below the other's last value after 20 steps." in said
    assert first_steps.verdict().startswith("After 20 steps the held-out loss is 1.00 from the KLT and 4.00 from the ordinary start.")
    for said in (starts, first_steps.verdict()):
        assert said.endswith("One run each, at the learning rate 0.003 of the KLT start's recipe; none was sought for the ordinary start.")


def test_without_a_record_nothing_is_claimed(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert first_steps.of_starts() == first_steps.of_optimizers() == first_steps.verdict() == MISSING
