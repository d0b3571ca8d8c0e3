"""Tables and figure of ASIQE-R, from the shipped records and without any."""

import pytest

from sccore.paper import asiqe
from sccore.utils import paths
from sccore.utils.errors import InputError


def test_tables_show_what_the_record_holds():
    e = asiqe.record()["evaluation"]
    assert f"| {e['held_out_scenes']['srcc']:.3f} |" in asiqe.summary()
    assert all(f"| {kind} |" in asiqe.types_table() for kind in ("avif", "sftip"))
    rows = [line for line in asiqe.types_table().splitlines() if line.endswith((" yes |", " no |")) and "both" not in line]
    assert f"{sum(line.endswith(' yes |') for line in rows)} of {len(rows)} types reach 0.8:" in asiqe.goals()
    assert "without edges" in asiqe.ablation_table() and "rendered" in asiqe.data_table()
    assert "SFTIP" in asiqe.order_table()


def test_the_figure_has_a_panel_an_image():
    panels = asiqe.score_curves().axes
    assert len(panels) == 10 and all(panel.lines for panel in panels)


def test_without_records(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert asiqe.score_curves().axes
    with pytest.raises(InputError, match="asiqe-r.json"):
        asiqe.summary()
