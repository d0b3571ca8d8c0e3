"""When the prior pays: pages with true masks are measured, and what is drawn comes from their records."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sccore import create_model, save_model
from sccore.paper import prior_benefit
from sccore.text.words import by_hash
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "shots").mkdir()
    for k in range(3):
        Image.fromarray(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(tmp_path / "shots" / f"{k}.png")
        words = [{"text": "word", "box": [4, 4, 40, 14 + 10 * k]}]
        (tmp_path / "shots" / f"{k}.json").write_text(json.dumps(words), encoding="utf-8")
    return tmp_path / "shots"


def test_pages_as_a_data_set_with_true_masks(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    images, masks, about = prior_benefit.prepare(folder, 2)
    chosen = by_hash(["0", "1", "2"])[:2]
    assert sorted(p.stem for p in images.iterdir()) == sorted(p.stem for p in masks.iterdir()) == sorted(chosen) == sorted(about)
    for stem in chosen:
        height = 10 + 10 * int(stem)
        assert about[stem]["word_height"] == height and (np.array(Image.open(masks / f"{stem}.png")) > 0).sum() >= 36 * height
    assert len(prior_benefit.prepare(folder, 1)[2]) == 1 and len(list(images.iterdir())) == 1  # what is left of before is gone
    with pytest.raises(InputError, match="at least 1"):
        prior_benefit.prepare(folder, -1)


def test_measuring_writes_records_with_what_is_on_the_pages(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    torch.manual_seed(0)
    save_model(create_model("sftip", rate="variable"), tmp_path / "sftip.safetensors", steps=0)
    prior_benefit.measure(folder, "empty", 1, tmp_path / "records", codecs=("sftip",))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "records").glob("*.json")}
    assert set(found) == {"sftip", "sftip-told-empty"}
    assert found["sftip-told-empty"]["coded_with"] == {"mask": "empty"}
    assert all({"text", "word_height", "bpp"} <= row.keys() for record in found.values() for row in record["images"])


def test_a_correlation_is_given_with_its_interval_or_not_at_all():
    table = pd.DataFrame({"text": np.arange(20) / 20, "bd_rate": -np.arange(20.0)})
    assert prior_benefit.correlation(table, "text") == "rank correlation −1.00 (−1.00 to −1.00), 20 images"
    assert prior_benefit.correlation(table[:3], "text") == "no correlation of 3 images"
    assert prior_benefit.correlation(table.assign(text=0.1), "text") == "no correlation of 20 images"


def test_figures_without_records_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert prior_benefit.by_page().empty and prior_benefit.samples_by_text().empty and prior_benefit.other_mask_rows() == []
    for figure in (prior_benefit.scatter({"pages": prior_benefit.by_page()}, "text"), prior_benefit.cost()):
        assert figure.axes[0].texts[0].get_text() == "not recorded yet"
