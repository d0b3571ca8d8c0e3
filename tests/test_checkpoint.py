"""Checkpoints say what they are, survive the way to disk and back, and refuse what does not fit."""

import numpy as np
import pytest
import torch

import sccore
from conftest import lively
from sccore import checkpoint
from sccore.errors import InputError
from sccore.files import replacing


def test_round_trip_keeps_spec_meta_weights_and_tables(saved):
    model, path = saved("sftip", "variable")
    again = sccore.load_model(path)
    assert again.spec == {"name": "sftip", "preset": "companion", "sem": "nesft", "prior": "text+structure",
                          "laplacian": "magnitude", "rate": "variable"}  # fmt: skip
    assert again.meta["sccore"] == sccore.__version__ and again.checkpoint_hash == checkpoint.file_hash(path)
    original = lively("sftip", rate="variable").state_dict()
    for name, value in again.state_dict().items():
        if name in dict(again.named_parameters()) and not name.endswith("quantiles"):
            assert torch.equal(value, original[name].half().float()), name
    assert again.gaussian_conditional.quantized_cdf.numel() and not again.training
    assert again.aux_loss() < 0.01 * lively("sftip", rate="variable").aux_loss()  # quantiles are exact in the file


def test_half_precision_is_half_the_file_and_keeps_bounds(saved, tmp_path):
    model, path = saved("wacnn", "fixed")
    full = checkpoint.save_model(model, tmp_path / "full.safetensors", half=False)
    assert path.stat().st_size < 0.6 * full.stat().st_size
    assert model.gaussian_conditional.likelihood_lower_bound.bound.item() == pytest.approx(1e-9)


def test_warm_start_needs_a_source_that_fits(saved):
    with pytest.raises(InputError, match="cannot start"):
        checkpoint.warm_start(sccore.create_model("wacnn", rate="variable"), saved("sftip", "variable")[0])
    target = checkpoint.warm_start(sccore.create_model("sftip", rate="variable"), saved("wacnn", "variable")[0])
    assert target.meta["history"][-1]["sha256"] == saved("wacnn", "variable")[0].checkpoint_hash


def test_fixed_rate_starts_from_a_variable_rate_near_its_middle(saved):
    source = saved("wacnn", "variable")[0]
    fixed = checkpoint.warm_start(sccore.create_model("wacnn", rate="fixed"), source).eval()
    x = torch.rand(1, 3, 64, 64)
    middle, low = (source(x, lmbda=source.lambdas[i])["likelihoods"]["y"].log().sum() for i in (2, 0))
    own = fixed(x)["likelihoods"]["y"].log().sum()
    assert torch.isclose(own, middle, rtol=0.05) and not torch.isclose(own, low, rtol=0.05)


@pytest.mark.parametrize("damage, message", [
    (lambda b: b"", "damaged"), (lambda b: b[: len(b) // 2], "damaged"), (lambda b: b"PK" + b, "damaged"),
])  # fmt: skip
def test_damaged_checkpoints_are_named(saved, tmp_path, damage, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(damage(saved("wacnn", "fixed")[1].read_bytes()))
    with pytest.raises(InputError, match=f"bad.safetensors: {message}"):
        sccore.load_model(path)


def test_what_a_kill_leaves_is_taken_for_no_file(tmp_path):
    with replacing(tmp_path / "a.safetensors") as part:
        part.write_bytes(b"half a file")
        assert not list(tmp_path.glob("*.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == b"half a file" and len(list(tmp_path.iterdir())) == 1


def test_missing_and_foreign_files_are_named(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="no such checkpoint"):
        sccore.load_model(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a sccore checkpoint"):
        sccore.load_model(tmp_path / "other.safetensors")


def test_weights_that_contradict_the_header_are_refused(saved, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = saved("wacnn", "fixed")[1]
    with safe_open(path, "pt") as file:
        state = {k: file.get_tensor(k) for k in file.keys()} | {"g_a.0.weight": torch.zeros(2, 2)}
        save_file(state, tmp_path / "x.safetensors", file.metadata())
    with pytest.raises(InputError, match="do not fit the model"):
        sccore.load_model(tmp_path / "x.safetensors")


def test_published_wacnn_file_loads(tmp_path):
    """A generated file of the published form: names of the release, square index tables, old bottleneck names."""
    source = lively("wacnn")
    state = dict(source.state_dict())
    for name in [n for n in state if n.endswith("relative_position_index")]:
        side = round(state[name].numel() ** 0.5)
        state[name] = state[name].view(side, side)
    for i in range(5):
        for new, old in (("matrices", "_matrix"), ("biases", "_bias"), ("factors", "_factor")):
            if f"entropy_bottleneck.{new}.{i}" in state:
                state[f"entropy_bottleneck.{old}{i}"] = state.pop(f"entropy_bottleneck.{new}.{i}")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "wacnn.pth.tar")
    model = checkpoint.load_published(sccore.create_model("wacnn"), tmp_path / "wacnn.pth.tar").eval()
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(model(x)["x_hat"], source(x)["x_hat"])
    assert model.compress(x)["strings"]
    (tmp_path / "junk.pth").write_bytes(np.random.default_rng(0).bytes(100))
    with pytest.raises(InputError, match="not readable as tensors"):
        checkpoint.load_published(sccore.create_model("wacnn"), tmp_path / "junk.pth")


def test_find_prefers_the_fixed_rate_and_says_what_is_shipped(tmp_path, monkeypatch, saved):
    from sccore import paths

    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    with pytest.raises(InputError, match="shipped: none"):
        checkpoint.find("wacnn")
    for name, rate in (("0.0035", "fixed"), ("variable", "variable"), ("variable-base", "variable")):
        (tmp_path / f"wacnn-{name}.safetensors").write_bytes(saved("wacnn", rate)[1].read_bytes())
    assert checkpoint.find("wacnn", 0.0035).stem == "wacnn-0.0035"
    assert checkpoint.find("wacnn", 0.0067).stem == checkpoint.find("wacnn").stem == "wacnn-variable"
    with pytest.raises(InputError, match="shipped: wacnn-0.0035, wacnn-variable"):
        checkpoint.find("sftip")
