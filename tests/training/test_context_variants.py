"""The comparison of forms of the context: every form is trained and measured, and a second call goes on where one was stopped."""

import importlib
import sys

import numpy as np
import pytest
import torch

from sccore.codecs.checkpoint import load_model, save_model
from sccore.codecs.zoo import create_model
from sccore.data.samples import Samples
from sccore.paper import context
from sccore.training import spatial
from sccore.utils import paths
from sccore.utils.json_files import load_json


@pytest.fixture
def variants(monkeypatch):
    monkeypatch.syspath_prepend(str(paths.ROOT / "benchmarks"))
    yield importlib.import_module("context_variants")
    for name in ("context_variants", "context_forms"):
        del sys.modules[name]


@pytest.fixture
def base(tmp_path):
    torch.manual_seed(0)
    return save_model(create_model("wacnn", rate="variable"), tmp_path / "base.safetensors")


def test_colours_in_z_take_the_place_of_what_was_predicted(variants, base):
    """A constant latent is predicted to within half a step before anything is learned."""
    model, colours = variants.begun(load_model(base), variants.FORMS["DC in z"])
    mu, y = torch.randn(2, model.slice_ch, 8, 12), torch.randn(2, model.slice_ch, 1, 1).expand(-1, -1, 8, 12)
    coded, mean, scale = colours(y - mu, mu, torch.ones_like(mu))
    assert coded.shape == (2, 3, 2, 3) and torch.equal(scale, torch.ones_like(mu))
    assert (y - mu - mean)[:, colours.DC].abs().max() <= 0.5 + 1e-5
    others = [i for i in range(model.slice_ch) if i not in colours.DC]
    assert not mean[:, others].any()


def test_every_form_is_measured_once(variants, base, tmp_path, monkeypatch):
    monkeypatch.setattr(spatial, "SIZE", 128)
    monkeypatch.setattr(variants, "ROUNDS", 1)
    few = ("DC in z", "DC in z, and context", "lattice of 4", "slices 0 to 2", "more flat crops")
    monkeypatch.setattr(variants, "FORMS", {name: variants.FORMS[name] for name in few})
    image = np.full((150, 140, 3), 240, np.uint8)
    image[40:60, 30:100] = (20, 30, 90)
    page = Samples.of([("page", image, np.zeros((150, 140), bool))])
    path = tmp_path / "variants.json"
    monkeypatch.setattr(context, "VARIANTS", path)
    assert context.forms() == context.flat_forms() == context.MISSING
    origin = {"date": "2026-11-27", "command": "context_variants.py"}
    call = lambda: variants.compare(base, page, page, page, tmp_path / "run", path, dict(origin), crops=2, steps=3, batch=2, seed=0)
    record = call()
    assert list(record["forms"]) == list(variants.FORMS)
    for name, form in record["forms"].items():
        assert form["saved"].keys() == record["bytes"].keys() and form["decoding"] > 0.5
        if not form["dc"]:  # three steps move little
            assert all(abs(np.array(saved) / record["bytes"][which]).max() < 0.2 for which, saved in form["saved"].items()), name
    monkeypatch.setattr(variants, "train", lambda *_: pytest.fail("trained again"))
    assert call() == load_json(path)
    assert all(name in context.forms() and name in context.flat_forms() for name in variants.FORMS)
