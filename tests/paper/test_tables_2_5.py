"""Tables 2 to 5 come from records; a record that is gone is named, and nothing is made up in its place."""

import json
import shutil

import pytest

from sccore.evaluation.records import measured
from sccore.paper import tables, tables_2_5
from sccore.paper.tables import MISSING, paper_numbers
from sccore.training import plan
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def records(tmp_path, monkeypatch):
    """A copy of the samples' records."""
    shutil.copytree(paths.RESULTS / "samples", tmp_path / "samples")
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    return tmp_path / "samples"


def test_every_run_of_the_tables_is_planned():
    planned = [run.name for run in plan.RUNS]
    assert all(row.codec in planned and row.anchor in planned for row in tables_2_5.COMPARISONS)
    assert tables_2_5.runs("4") == ["sftip", "sftip-structure"]


def test_the_papers_numbers_stand_beside_those_of_the_same_part():
    parts = {row["part"] for row in paper_numbers()["ablations"]["rows"]}
    assert len(parts & {row.part for row in tables_2_5.COMPARISONS}) == len(parts) - 1  # Table 6 has a page of its own


def test_a_record_that_is_gone_is_named_and_its_row_is_empty(records):
    before = tables_2_5.comparisons("4")
    assert MISSING not in before and "All runs" in tables_2_5.missing("4")
    (records / "sftip-structure.json").unlink()
    assert "`sftip-structure`" in tables_2_5.missing("4") and "suite --only sftip-structure --data data/open`" in tables_2_5.missing("4")
    assert tables_2_5.comparisons("4").count(MISSING) == 2
    assert tables_2_5.verdict(measured(), "sftip", "sftip-structure") == MISSING


def test_an_unfinished_record_counts_as_missing(records):
    path = records / "sftip-structure.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"images": record["images"][:10]}), encoding="utf-8")
    assert tables_2_5.lacking("4") == ["sftip-structure"]


def test_unknown_tables():
    with pytest.raises(InputError, match="no table 7 here"):
        tables_2_5.comparisons("4 7")


def test_a_verdict_claims_nothing_that_the_interval_does_not_carry(records):
    frame = measured()
    text = tables_2_5.verdict(frame, "avif", "jpeg")
    assert "% fewer bits (" in text or text.startswith("no BD-rate")
    same = tables_2_5.verdict(frame, "sftip-uniform", "sftip-uniform")
    assert same == "no clear difference: 0.0 % (0.0 to 0.0)"


@pytest.mark.parametrize(
    "ends, words",
    [
        ((0.04, 0.6), "no clear difference: +0.3 % (0.0 to +0.6)"),
        ((0.06, 0.6), "0.3 % more bits (0.1 to 0.6)"),
        ((-0.6, -0.04), "no clear difference: −0.3 % (−0.6 to 0.0)"),
        ((-0.6, -0.06), "0.3 % fewer bits (0.1 to 0.6)"),
        ((float("nan"),) * 2, "+0.3 % (no interval: 90 % of the resamples have a BD-rate)"),
    ],
)
def test_a_verdict_says_what_the_printed_interval_says(ends, words, monkeypatch):
    value = 0.3 if ends[1] > 0 or ends[1] != ends[1] else -0.3
    found = {"bd_rate": value, "low": ends[0], "high": ends[1], "images": 10, "resamples": 0.9, "exact": []}
    monkeypatch.setattr(tables_2_5, "compared", lambda *_: found)
    assert tables_2_5.verdict(None, "a", "b") == words
    found["exact"] = ["kept exactly.png"]
    assert tables_2_5.verdict(None, "a", "b") == f"{words}, 10 images"


def test_the_figure_has_a_line_a_comparison(records):
    rows = [(row.part, row.codec, row.anchor) for row in tables_2_5.chosen("3 4")]
    figure = tables_2_5.intervals(measured(), rows, {"structural prior": -7.3})
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["structural prior", "text position prior"]
    assert len(axes.get_legend().get_texts()) == 3


def test_a_number_that_rounds_to_zero_has_no_sign():
    shown = [tables.number(value) for value in (-0.04, 0.04, -0.06, 0.06, float("-inf"), None)]
    assert shown == ["0.0", "0.0", "−0.1", "+0.1", "−∞", None]
