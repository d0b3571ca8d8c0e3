"""What the machine computes with: bfloat16 where it is native and where its gradients can be trusted."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

import sccore
from sccore import device
from sccore.data import Crops, Samples
from sccore.recipe import Recipe
from sccore.step import Run


def test_small_crops_are_not_trained_in_bfloat16_on_a_processor(monkeypatch):
    monkeypatch.setattr(device, "native_bf16", lambda kind: True)
    assert not device.trains_in_bf16("cpu", 64) and device.trains_in_bf16("cpu", 128) and device.trains_in_bf16("cuda", 64)
    monkeypatch.setattr(device, "native_bf16", lambda kind: False)
    assert not device.trains_in_bf16("cpu", 128)


@pytest.mark.skipif(not device.native_bf16("cpu"), reason="this processor has no bfloat16")
def test_gradients_in_bfloat16_are_those_in_float32():
    """Of every weight, up to the precision of bfloat16, on the smallest crops that are trained so."""
    x, mask = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)), torch.ones(2, 1, 128, 128)
    gradients = []
    for bf16 in (False, True):
        torch.manual_seed(0)
        run = Run(sccore.create_model("sftip", rate="variable"), Recipe(crop=128), None, "cpu", bf16)
        torch.manual_seed(1)  # the quantisation noise
        run.forward(x, mask, run.rates(2))["loss"].backward()
        gradients.append({name: p.grad for name, p in run.model.named_parameters() if p.grad is not None})
    exact, rounded = gradients
    assert exact.keys() == rounded.keys() and all(g.isfinite().all() for g in rounded.values())
    flat = [torch.cat([g.flatten() for g in side.values()]) for side in gradients]
    assert torch.cosine_similarity(*flat, dim=0) > 0.98
    assert all(rounded[name].norm() < 10 * exact[name].norm() + 1e-3 for name in exact)


class Unfused(torch.optim.Adam):
    """Adam where there is no fused one; a step is then never left out."""

    found_inf = property(lambda self: None, lambda self, value: None)

    def __init__(self, params, lr, betas=(0.9, 0.999), fused=None):
        super().__init__(params, lr, betas, foreach=True)


@pytest.mark.parametrize("name", ["wacnn", "sftip", "cheng2020", "ms2020"])
def test_a_step_stays_on_its_device_and_reads_nothing_back(name, monkeypatch):
    """On the device that has shapes and no values: a tensor left on the host, or a value asked for, is an error there."""
    monkeypatch.setattr(torch.optim, "Adam", Unfused)
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: nullcontext())
    images = [np.zeros((150, 140, 3), np.uint8)] * 3
    samples = Samples.of((str(i), image, image[..., 0]) for i, image in enumerate(images))
    recipe = Recipe(crop=128, batch=2, optimizer="muon", schedule="decay", steps=10)
    run = Run(sccore.create_model(name, rate="variable"), recipe, None, "meta", False)
    crops = Crops(samples, recipe.crop, recipe.batch, 0, "meta")
    for _ in range(2):
        values = run.train_step(*crops(run.step))
    assert run.step == 2 and {value.device.type for value in (*values.values(), *run.main, run.left_out)} == {"meta"}
    with pytest.raises(RuntimeError, match="meta"):
        values["loss"].item()
