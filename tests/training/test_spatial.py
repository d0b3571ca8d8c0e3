"""Training of the context alone: it saves bits, can be killed, and leaves the rest of the weights to its base."""

import numpy as np
import pytest
import torch

import sccore
from sccore.codecs import sci
from sccore.codecs.checkpoint import load_model, save_model
from sccore.codecs.checkpoint_files import read_header
from sccore.codecs.zoo import create_model
from sccore.data.samples import Samples
from sccore.training import spatial
from sccore.utils import paths
from sccore.utils.errors import InputError


@pytest.fixture
def base(narrow, tmp_path, monkeypatch):
    """A small checkpoint among the shipped ones of an own folder."""
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(spatial, "SIZE", 256)
    torch.manual_seed(0)
    model = create_model("wacnn", rate="variable")
    for net in model.cc_scale_transforms:
        torch.nn.init.constant_(net[-1].bias, 2.0)
    return save_model(model, paths.CHECKPOINTS / "base.safetensors")


@pytest.fixture(scope="module")
def page():
    """A page with a flat ground and some lines, and what it is without them."""
    image = np.full((300, 400, 3), 240, np.uint8)
    image[40:60, 30:300] = image[90:110, 30:250] = (20, 30, 90)
    return Samples.of([("page", image, np.zeros((300, 400), bool))])


def run(base, page, out, **changes):
    return spatial.fit_context(base, page, out, page, crops=4, batch=2, progress=False, **{"steps": 24, **changes})


def test_it_saves_bits_and_no_pixel_changes(base, page, tmp_path):
    summary = run(base, page, tmp_path / "runs" / "mine")
    assert summary["steps"] == 24 and summary["saved"] > 0.02
    path = tmp_path / "runs" / "mine" / "model.safetensors"
    assert path.stat().st_size < base.stat().st_size / 8
    image, _ = page[0]
    files = [sci.encode(image, load_model(name), 0.0067) for name in (base, path)]
    assert len(files[1]) < len(files[0])
    assert np.array_equal(*(sci.decode(file) for file in files))


def test_a_run_goes_on_as_if_it_had_not_stopped(base, page, tmp_path, monkeypatch):
    whole, parts = tmp_path / "runs" / "whole", tmp_path / "runs" / "parts"
    run(base, page, whole, steps=7)
    keep = torch.save

    def killed(state, path):
        keep(state, path)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(spatial, "SAVE_EVERY", 0)
    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(base, page, parts, steps=7)
    monkeypatch.setattr(torch, "save", keep)
    run(base, page, parts, steps=7)
    states = [torch.load(folder / "last.pt", weights_only=True)["contexts"] for folder in (whole, parts)]
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values()))
    with pytest.raises(InputError, match="holds another run"):
        run(base, page, parts, steps=8)
    (parts / "last.pt").write_bytes(b"half")
    with pytest.raises(InputError, match="last.pt: damaged .*; delete it"):
        run(base, page, parts, steps=7)


def test_a_base_that_is_missing_is_named(base, page, tmp_path):
    run(base, page, tmp_path / "runs" / "mine", steps=1)
    path = tmp_path / "runs" / "mine" / "model.safetensors"
    assert len(read_header(path)["base"]) == 64
    base.unlink()
    with pytest.raises(InputError, match="needs weights .* not at hand"):
        load_model(path)


def test_what_has_no_rates_or_a_context_is_refused(base, page, tmp_path):
    for switches in ({"rate": "fixed"}, {"rate": "variable", "context": "interlaced"}):
        path = sccore.save_model(create_model("wacnn", **switches), tmp_path / "other.safetensors", lmbda=0.0067)
        with pytest.raises(InputError, match="a context is trained behind"):
            run(path, page, tmp_path / "runs" / "no")
