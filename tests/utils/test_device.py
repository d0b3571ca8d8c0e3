"""What the machine computes with: bfloat16 where it is native and where its gradients can be trusted."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

import sccore
from sccore.data.samples import Samples
from sccore.training.recipe import Recipe
from sccore.training.run import Run
from sccore.utils import device
from sccore.utils.errors import InputError


def test_small_crops_are_not_trained_in_bfloat16_on_a_processor(monkeypatch):
    monkeypatch.setattr(device, "native_bf16", lambda kind: True)
    assert not device.trains_in_bf16("cpu", 64) and device.trains_in_bf16("cpu", 128) and device.trains_in_bf16("cuda", 64)
    monkeypatch.setattr(device, "native_bf16", lambda kind: False)
    assert not device.trains_in_bf16("cpu", 128)


@pytest.mark.parametrize(
    "asked, message",
    [
        ("tpu", "unknown device 'tpu'; known: cpu, cuda"),
        ("cuda", "no GPU that this torch can use"),
        ("cuda:1", "cuda:1: no GPU .*; give cpu, or leave the device out"),
    ],
)
def test_a_device_that_is_not_here_is_refused(monkeypatch, asked, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.chosen(None) == device.chosen("cpu") == "cpu"
    with pytest.raises(InputError, match=message):
        device.chosen(asked)


def screens(n: int, image: np.ndarray) -> Samples:
    return Samples.of((str(i), image, image[..., 0] > 127) for i in range(n))


@pytest.mark.skipif(not device.native_bf16("cpu"), reason="this processor has no bfloat16")
def test_gradients_in_bfloat16_are_those_in_float32():
    """Of every weight, up to the precision of bfloat16, on the smallest crops that are trained so."""
    samples = screens(2, np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
    gradients = []
    for bf16 in (False, True):
        torch.manual_seed(0)
        run = Run(sccore.create_model("sftip", rate="variable"), Recipe(crop=128, batch=2), None, "cpu", bf16, samples.batches(128, 2))
        torch.manual_seed(1)  # the quantisation noise
        run.forward(*run.crops(0), run.places)["loss"].backward()
        if bf16:
            run.halves.give_gradients()
        gradients.append({name: p.grad for name, p in run.model.named_parameters() if p.grad is not None})
    exact, rounded = gradients
    assert exact.keys() == rounded.keys() and all(g.isfinite().all() for g in rounded.values())
    flat = [torch.cat([g.flatten() for g in side.values()]) for side in gradients]
    assert torch.cosine_similarity(*flat, dim=0) > 0.98
    assert all(rounded[name].norm() < 10 * exact[name].norm() + 1e-3 for name in exact)


class Plain(torch.optim.Optimizer):
    """In the place of fused Adam, which this device has not."""

    def __init__(self, groups, betas=None, fused=None, capturable=None):
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad * group["lr"])


@pytest.mark.parametrize("name", ["wacnn", "sftip", "cheng2020", "ms2020"])
def test_a_step_stays_on_its_device_and_reads_nothing_back(name, monkeypatch):
    """On the device that has shapes and no values: a tensor left on the host, or a value asked for, is an error there."""
    monkeypatch.setattr(torch.optim, "Adam", Plain)
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: nullcontext())
    samples = screens(3, np.zeros((150, 140, 3), np.uint8))
    recipe = Recipe(crop=128, batch=2, optimizer="muon", schedule="decay", steps=10)
    run = Run(
        sccore.create_model(name, rate="variable"), recipe, None, "meta", False, samples.batches(recipe.crop, recipe.batch, 0, "meta")
    )
    for _ in range(2):
        values = run.train_step()
    assert run.step == 2 and {value.device.type for value in (*values.values(), *run.main, run.left_out)} == {"meta"}
    with pytest.raises(RuntimeError, match="meta"):
        values["loss"].item()


class Recorded(TorchDispatchMode):
    """All operators, with the shapes of their tensors and their numbers."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        shown = tree_map(lambda v: (v.dtype, v.shape, v.stride()) if isinstance(v, torch.Tensor) else str(v), (args, kwargs))
        if "record_function" not in str(function):
            self.calls.append((str(function), shown))
        return function(*args, **(kwargs or {}))


class NothingFromTheHost(TorchFunctionMode):
    """Refuses what would copy to the device or wait for it."""

    makes = {"tensor", "as_tensor", "from_numpy", "new_tensor"}
    reads = {"item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__float__", "__int__", "__index__"}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        assert name not in self.reads and not (name in self.makes and not isinstance(args[-1], torch.Tensor)), name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["wacnn", "sftip", "cheng2020", "ms2020"])
def test_a_step_could_be_captured(name, monkeypatch):
    """What a step does on its device does not change from one to the next but by the values of tensors that stay in place."""
    samples = screens(3, np.random.default_rng(0).integers(0, 256, (150, 140, 3), np.uint8))
    recipe = Recipe(crop=128, batch=2, optimizer="muon", schedule="decay", steps=10, warmup=5, invert=0.5)
    bf16 = device.trains_in_bf16("cpu", recipe.crop)
    run = Run(sccore.create_model(name, rate="variable"), recipe, None, "cpu", bf16, samples.batches(recipe.crop, recipe.batch))
    body, steps, places = Run.body, [], []

    def watched(run):
        with NothingFromTheHost(), Recorded() as seen:
            values = body(run)
        steps.append(seen.calls)
        states = [v for o in run.optimizers.values() for state in o.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        groups = [group["lr"] for o in run.optimizers.values() for group in o.param_groups]
        every = [*run.model.parameters(), *run.model.buffers(), *states, *groups, run.drawn, run.done, run.left_out]
        places.append([t.data_ptr() for t in every])
        return values

    monkeypatch.setattr(Run, "body", watched)
    for _ in range(4):
        run.train_step()
    assert len(steps[2]) > 500 and steps[2] == steps[3] and places[2] == places[3]
