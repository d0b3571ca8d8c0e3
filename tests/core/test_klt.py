"""The KLT start: an orthogonal transform with its exact error, and a training that begins where others arrive."""

from dataclasses import replace

import pytest
import torch

from sccore import klt
from sccore.codecs.zoo import create_model
from sccore.data.crops import Crops
from sccore.data.samples import load
from sccore.presets import PRESETS
from sccore.training import fit
from sccore.training.begin import begin
from sccore.training.recipe import FROM_KLT
from sccore.utils.errors import InputError
from sccore.utils.paths import SAMPLES
from sccore.wacnn import WACNN


@pytest.fixture(scope="module")
def samples():
    return load(SAMPLES, progress=False)


@pytest.fixture(scope="module")
def x(samples):
    """Crops of screens as a centred g_a sees them, (32, 3, 64, 64)."""
    return 2 * torch.cat([Crops(samples, 64, 16, seed)(0)[0] for seed in range(2)]) - 1


def convolved(x, layers):
    for layer in layers:
        x = layer(x)
    return x


def started(x, **widths):
    torch.manual_seed(0)
    model = WACNN(replace(PRESETS["companion"], **widths))
    klt.set_transforms(model, x, 0.0067)
    return model, *klt.transforms(model)


def test_a_basis_is_orthonormal_and_sorted_by_energy(x):
    for rows in (klt.basis(x, 8), klt.basis(x, 12, last=True)):
        torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-5, rtol=0)
    energy = (klt.patches(x) @ klt.basis(x, 12).T).square().mean(0)
    assert (energy.diff() <= 1e-6).all()


@torch.no_grad()
def test_with_all_coefficients_the_linear_path_is_the_identity(x):
    """Stages as wide as patches have numbers: 12, 48, 192 and 768 of 770 channels."""
    _, down, up = started(x, stages=(12, 48, 192), M=770)
    y = convolved(x, down)
    torch.testing.assert_close(convolved(y, up[::-1]), x, atol=2e-4, rtol=0)
    scale = (y[:, :768].square().sum() / x.square().sum()).sqrt()  # one factor for all: orthogonal up to the quantiser's step
    a, b = (convolved(part, down)[:, :768] for part in (x[:16], x[16:]))
    torch.testing.assert_close((a * b).sum(), (x[:16] * x[16:]).sum() * scale**2, rtol=1e-3, atol=1e-2)


@torch.no_grad()
def test_what_the_linear_path_loses_is_the_energy_it_leaves_out(x):
    """With stages that leave something out and no channel free: decoding loses just that, to rounding."""
    _, down, up = started(x, stages=(12, 40, 100), M=320)
    lost, z = 0.0, x
    for stage, conv in enumerate(down):
        rows = klt.basis(z, min(conv.out_channels, 4 * z.shape[1]), last=stage == len(down) - 1)
        coefficients = klt.patches(z) @ rows.T
        lost += z.square().sum() - coefficients.square().sum()
        z = coefficients.view(len(z), z.shape[2] // 2, z.shape[3] // 2, -1).permute(0, 3, 1, 2)
    error = (convolved(convolved(x, down), up[::-1]) - x).square().sum()
    assert lost > 0
    torch.testing.assert_close(error, lost, rtol=0.01, atol=0.0)


@pytest.mark.slow
def test_after_eight_steps_the_loss_is_less_than_a_fifth_of_the_ordinary_start_s(samples, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(klt, "STEPS", 30)  # fewer than usual are enough
    few = samples.part([i for i, name in enumerate(samples.names) if name in ("graph", "windows95")])
    recipe = replace(FROM_KLT, steps=8, batch=2, crop=64, warmup=5, validate_every=8)
    losses, held_out = {}, load(parts, progress=False)
    for name, from_klt in (("ordinary", False), ("klt", True)):
        model = begin("wacnn", "companion", few, recipe, None, None, from_klt=from_klt)
        losses[name] = fit.fit(model, few, tmp_path / name, recipe=recipe, validation=held_out, progress=False)["last"][0]["loss"]
    assert losses["klt"] < 0.2 * losses["ordinary"], losses


@pytest.mark.parametrize("name, preset", [("sftip", "companion"), ("ms2020", "companion"), ("wacnn", "paper")])
def test_every_model_of_the_family_has_one(samples, name, preset):
    torch.manual_seed(0)
    model = create_model(name, preset)
    klt.start(model, Crops(samples, 64, 4), steps=1, progress=False)
    picture = Crops(samples, 64, 4)(0)
    with torch.no_grad():
        output = model.eval()(*picture)
    assert all(torch.isfinite(p).all() for p in model.parameters()) and torch.isfinite(output["x_hat"]).all()
    y = model.analysis(*picture)[0]
    assert 0.5 < y.std((0, 2, 3)).max() < 200  # in steps of the quantiser


def test_only_the_entropy_model_settles(samples):
    torch.manual_seed(0)
    model = create_model("sftip", rate="variable")
    before = {name: p.clone() for name, p in model.named_parameters()}
    klt.settle(model, Crops(samples, 64, 2), steps=1, progress=False)
    moved = {name.split(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"h_a", "h_mean_s", "h_scale_s", "cc_mean_transforms", "cc_scale_transforms", "entropy_bottleneck"}


def test_a_model_without_slices_is_refused(samples):
    with pytest.raises(InputError, match="cheng2020 has no KLT start"):
        klt.start(create_model("cheng2020"), Crops(samples, 64, 1))
