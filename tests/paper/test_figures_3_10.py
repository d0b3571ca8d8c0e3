"""Two models on the same crops at equal size of file, or what trains the one that is missing."""

import shutil

import numpy as np
import pytest

from sccore.paper import figures_3_10, tables
from sccore.training.recipe import COMPANION
from sccore.utils import paths
from sccore.utils.errors import InputError


def test_missing_weights_say_what_trains_them(tmp_path, monkeypatch, screen):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    with pytest.raises(InputError, match="is not trained here.*python -m sccore suite --only sftip-sft"):
        figures_3_10.weights("sftip-sft")
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    figure, numbers = figures_3_10.compare({"a": screen(64, 64)}, ("sftip-sft", "sftip"), 0.0067)
    assert "`python -m sccore suite --only sftip-sft" in numbers and "is not trained here" in figure.axes[0].texts[0].get_text()


def test_shipped_weights_are_found():
    assert figures_3_10.weights("sftip") == paths.CHECKPOINTS / "sftip.safetensors"


def test_both_models_meet_at_the_same_size(screen):
    names = ["wacnn", "sftip"]
    pictures = {"one": screen(96, 128), "two": screen(96, 128)}
    coded = figures_3_10.code(pictures, names, 0.0067)
    for first, second in coded.values():
        assert [first.codec, second.codec] == names and second.setting == "λ = 0.0067"
        assert first.size == pytest.approx(second.size, rel=0.03)
    axes = figures_3_10.draw(pictures, coded).axes
    assert len(axes) == 6 and axes[3].get_title() == "two" and f"{coded['two'][1].bpp:.3f} bpp" in axes[5].get_title()
    assert np.array_equal(axes[4].images[0].get_array(), coded["two"][0].image)
    assert len(figures_3_10.numbers(coded).splitlines()) == 6


@pytest.mark.parametrize("size", ["axb", "0x0", "12", "-3x4"])
def test_a_size_is_a_width_and_a_height(size):
    assert figures_3_10.sides("30x40") == (30, 40)
    with pytest.raises(InputError, match="a size is written WIDTHxHEIGHT"):
        figures_3_10.sides(size)


def test_two_codecs_are_compared(screen):
    assert "two codecs are compared" in figures_3_10.compare({"x": screen(64, 64)}, ["sftip"], 0.0035)[1]
    for wrong in ([], ["wacnn"], ["a", "b", "c"]):
        with pytest.raises(InputError, match="two codecs are compared"):
            tables.two(wrong)
    assert tables.two(["a", "b"]) == ["a", "b"]


def test_crops_are_cut_with_their_masks():
    pictures = figures_3_10.cut("windows95+64+48 graph+0+0", "96x64")
    assert list(pictures) == ["windows95+64+48", "graph+0+0"]
    assert all(image.shape == (64, 96, 3) and mask.shape == (64, 96) for image, mask in pictures.values())
    with pytest.raises(InputError, match="no image nothing in samples"):
        figures_3_10.cut("nothing+0+0", "96x64")


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    """Folders of two runs with weights, and nothing kept yet."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setattr(figures_3_10, "CROPS", "windows95+64+48 graph+0+0")
    runs = []
    for name, model in (("sftip", "sftip"), ("sftip-sft", "wacnn")):
        (folder := tmp_path / f"{name}-seed1").mkdir()
        shutil.copy(paths.CHECKPOINTS / f"{model}.safetensors", folder / "model.safetensors")
        runs.append(folder)
    return runs


def test_pictures_of_short_trainings_stand_in_for_missing_weights(two_runs):
    figures_3_10.keep(two_runs)
    pictures, codecs = figures_3_10.cut(figures_3_10.CROPS, figures_3_10.SIZE), ["sftip-sft", "sftip"]
    figure, said = figures_3_10.compare(pictures, codecs, figures_3_10.RATE)
    assert "not here" in said and f"of {COMPANION.batch} crops" in said and len(said.splitlines()) == 8 and len(figure.axes) == 6
    here = figures_3_10.code(pictures, [str(run / "model.safetensors") for run in two_runs[::-1]], figures_3_10.RATE)
    for (label, stored), computed in zip(figures_3_10.kept(pictures, codecs, figures_3_10.RATE).items(), here.values()):
        for one, other in zip(stored, computed):
            assert np.array_equal(one.image, other.image) and (one.size, one.setting) == (other.size, other.setting), label
            assert one.psnr == pytest.approx(other.psnr, rel=1e-6)
    # of other crops, of another rate, and of models that were not kept
    part = {"windows95+64+48": tuple(layer[:32] for layer in pictures["windows95+64+48"])}
    for shown, models, lmbda in (
        (figures_3_10.cut("gui+0+0", "96x64"), codecs, figures_3_10.RATE),
        (part, codecs, figures_3_10.RATE),
        (pictures, codecs, 0.0067),
        (pictures, ["sftip-structure", "sftip"], figures_3_10.RATE),
    ):
        assert not figures_3_10.kept(shown, models, lmbda)
        assert "python -m sccore suite --only sftip-s" in figures_3_10.compare(shown, models, lmbda)[1]


def test_the_notebook_shows_the_pictures_that_are_kept():
    text = (paths.ROOT / "book/experiments/figures-3-10.md").read_text(encoding="utf-8")
    for line in (f'crops = "{figures_3_10.CROPS}"', f'size = "{figures_3_10.SIZE}"', f"lmbda = {figures_3_10.RATE}"):
        assert line in text
