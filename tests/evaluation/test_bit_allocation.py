"""Bits by channel, position and region: the rule, that the parts are the whole, and what is said without a record."""

import json

import numpy as np
import pytest
from PIL import Image

from sccore.codecs import sci
from sccore.evaluation import bit_allocation
from sccore.evaluation.bit_allocation import REGIONS
from sccore.paper import figure_4
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def picture():
    """128 x 144: left flat grey, then noise; text in the lower half of the noise."""
    image = np.full((128, 144, 3), 90, np.uint8)
    image[:, 64:] = np.random.default_rng(0).integers(0, 256, (128, 80, 3), dtype=np.uint8)
    mask = np.zeros((128, 144), bool)
    mask[64:, 64:] = True
    return image, mask


def test_regions_follow_the_rule(picture):
    kinds = bit_allocation.regions(*picture)
    name = lambda row, column: REGIONS[kinds[row, column]]
    assert kinds.shape == (8, 12)  # 128 x 192, as it is coded
    assert name(0, 0) == name(7, 2) == "flat" and name(0, 5) == "structure" and name(7, 8) == "text"
    assert {name(row, column) for row in range(8) for column in range(9, 12)} == {"padding"}


@pytest.mark.parametrize("rows, region", [(3, "flat"), (4, "text")])
def test_a_block_is_text_from_a_quarter_on(rows, region):
    mask = np.zeros((64, 64), bool)
    mask[:rows, :16] = True
    assert REGIONS[bit_allocation.regions(np.zeros((64, 64, 3), np.uint8), mask)[0, 0]] == region


def test_a_slow_gradient_is_flat_and_grain_is_not():
    slow = np.repeat(np.linspace(100, 140, 128).round().astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    grain = slow + np.random.default_rng(0).integers(0, 4, slow.shape, dtype=np.uint8)
    assert (bit_allocation.regions(slow, None) == REGIONS.index("flat")).all()
    assert (bit_allocation.regions(grain, None) == REGIONS.index("structure")).all()


def test_parts_are_the_whole(saved, picture):
    model = saved("sftip")[0]
    spent = bit_allocation.bits(picture[0], model, 0.0067, picture[1])
    assert spent.shape == (model.y_ch, 8, 12)
    estimate = sci.estimate(picture[0], model, 0.0067, picture[1])
    assert spent.sum(0) == pytest.approx(estimate["bits_map"], rel=1e-4)
    parts = bit_allocation.spent(spent.sum(0), bit_allocation.regions(*picture))
    assert list(parts) == list(REGIONS) and sum(parts.values()) == pytest.approx(spent.sum(), rel=1e-5)
    assert spent[bit_allocation.loudest(spent)].sum() == spent.sum((1, 2)).max()


@pytest.fixture
def measured(saved, picture, tmp_path, monkeypatch):
    """Records of two models on two pictures."""
    for kind, layer in zip(("images", "masks"), (picture[0], picture[1] * np.uint8(255))):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for stem, own in zip("ab", (layer, layer[::-1])):
            Image.fromarray(own).save(tmp_path / "set" / kind / f"{stem}.png")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    for name in ("wacnn", "sftip"):
        bit_allocation.measure(str(saved(name)[1]), tmp_path / "set", out=bit_allocation.record_path(name), progress=False)
    return tmp_path


def test_records_hold_the_whole_and_are_gone_on_with(measured, saved, picture, monkeypatch):
    path = bit_allocation.record_path("sftip")
    record = bit_allocation.load_record(path)
    assert [row["name"] for row in record["images"]] == ["a.png", "b.png"]
    assert record["checkpoint"]["sha256"] and record["command"].startswith("python -m sccore.evaluation.bit_allocation")
    for row in record["images"]:
        assert sum(row["all"].values()) == pytest.approx(row["bits"], rel=1e-6) and sum(row["positions"].values()) == 96
        assert 0 < sum(row["loudest"].values()) <= row["bits"]
    image, mask = picture
    assert record["images"][0]["bits"] == pytest.approx(bit_allocation.bits(image, saved("sftip")[0], 0.0067, mask).sum(), rel=1e-3)
    calls = []
    monkeypatch.setattr(bit_allocation, "bits", lambda *args: calls.append(args))
    again = bit_allocation.measure(str(saved("sftip")[1]), measured / "set", out=path, progress=False)
    assert again["images"] == record["images"] and not calls


def test_tables_are_of_both_and_shares_sum_to_all(measured):
    record = bit_allocation.load_record(bit_allocation.record_path("sftip"))
    for part in ("positions", *figure_4.PARTS):
        assert figure_4.shares(record, part).sum(axis=1).to_list() == pytest.approx([100, 100])
    shown = figure_4.by_region(("wacnn", "sftip")).splitlines()
    assert [line.split(" | ")[0] for line in shown[2:]] == [f"| {name}" for name in REGIONS]
    assert "2 images, λ = 0.0067" in figure_4.described(("wacnn", "sftip"))
    record["images"].pop()
    bit_allocation.record_path("sftip").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="not measured on the same images"):
        figure_4.by_region(("wacnn", "sftip"))


def test_missing_and_damaged_records_say_so(measured):
    shown = figure_4.by_region(("wacnn", "another"))
    assert "python -m sccore.evaluation.bit_allocation another" in shown and figure_4.described(("another",)) == ""
    bit_allocation.record_path("wacnn").write_text('{"images": [{"name": "a"}]}', encoding="utf-8")
    with pytest.raises(InputError, match="wacnn.json: not a record"):
        bit_allocation.load_record(bit_allocation.record_path("wacnn"))


def test_maps_share_a_scale_and_name_their_channels(picture):
    spent = {name: np.zeros((3, 8, 12)) for name in ("wacnn", "sftip")}
    spent["wacnn"][1], spent["sftip"][2, 0, 0] = 2, 8
    axes = figure_4.maps(*picture, spent).axes
    assert axes[2].get_title() == "WACNN: channel 1, 100.0% of the bits of y"
    assert "channel 2" in axes[3].get_title()
    assert axes[2].images[0].get_clim() == axes[3].images[0].get_clim()


def test_shipped_records_are_of_the_shipped_weights():
    from sccore.codecs.checkpoint import file_hash

    found = sorted((paths.RESULTS / bit_allocation.DATASET).glob("*.json"))
    assert found
    for path in found:
        record = bit_allocation.load_record(path)
        assert len(record["images"]) == 10 and record["flat"] == bit_allocation.FLAT and record["text"] == bit_allocation.TEXT
        assert record["checkpoint"]["sha256"] == file_hash(paths.CHECKPOINTS / f"{path.stem}.safetensors")
