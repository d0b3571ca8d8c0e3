"""Figures 1 and 2 say what the modules are: their labels hold the true channels, sizes, strides and sites."""

import re

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from sccore import create_model
from sccore.codecs.models import SWITCHES
from sccore.paper import figures_1_2
from sccore.paper.drawing import network_trace
from sccore.utils.errors import InputError

ONE_BY_ONE = [{key: value} for key, values in SWITCHES.items() for value in values[1:]]
BUILDS = [{"preset": "companion", **switch} for switch in ({}, {"rate": "variable"}, {"name": "wacnn"}, *ONE_BY_ONE)]
BUILDS += [{"preset": "paper"}, {"preset": "paper", "sem": "sft"}]  # the other switches change no layer


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def expected(model):
    """One label for every convolution, attention and site, from the modules' own attributes."""
    for name, layer in model.named_modules():
        parent = name.rpartition(".")[0]
        if parent in ("g_a", "g_s", "h_a", "h_mean_s") and isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            kind, arrow = ("conv", "↓") if isinstance(layer, nn.Conv2d) else ("deconv", "↑")
            k = layer.weight.shape[-1]
            yield f"{kind} {k}×{k}, {layer.out_channels}" + (f" {arrow}2" if layer.stride == (2, 2) else "")
        elif parent == "h_mean_s" and isinstance(layer, nn.Sequential):
            yield f"subpel 3×3, {layer[0].out_channels // 4} ↑2"
        elif type(layer).__name__ == "WAM":
            window = round(layer.conv_b[0].attn.relative_position_bias_table.shape[0] ** 0.5 + 1) // 2
            yield f"WAM {window}×{window}, {layer.conv_b[0].attn.relative_position_bias_table.shape[1]} heads"
        elif parent in ("sem_a", "sem_s", "sem_h"):
            block = hasattr(layer, "transforms")
            affine = (layer.transforms[0] if block else layer).affine
            kind = {"nesft": "NESFT", "sft": "SFT"}[model.spec["sem"]]
            yield f"{'2 × ' * block}{kind}, {affine.weight.shape[0] // 2}"


@pytest.mark.parametrize("spec", BUILDS, ids=lambda spec: "-".join(spec.values()))
def test_labels_are_those_of_the_modules(spec):
    model = create_model(**spec)
    figure = figures_1_2.architecture(model)
    shown = texts(figure)
    for label in set(wanted := list(expected(model))):
        more = shown.count(label) - wanted.count(label)
        assert more == 0 or more > 0 and re.match(r"(de)?conv [13]×[13]", label), label  # FEM has such lines too
    assert f"10 slices of {model.slice_ch} channels" in shown and f"{model.z_ch} channels, bits of z" in shown
    first, last = model.cc_mean_transforms[0][0].in_channels, model.cc_mean_transforms[9][0].in_channels
    assert f"mean μ: {first} to {last}" in shown and f"scale σ: {first} to {last}" in shown
    assert f"residual: {model.lrp_transforms[0][0].in_channels} to {model.lrp_transforms[9][0].in_channels}" in shown
    if spec.get("name") != "wacnn":
        head = {"nesft": "FEM", "sft": "CB"}[model.spec["sem"]]
        assert {f"{head} {branch}.{i}" for branch in "ahs" for i in range(4)} | {f"{head} w"} <= set(shown)
        assert f"y {model.y_ch}" in shown and f"ŷ {model.y_ch}" in shown and f"ẑ {model.z_ch}" in shown
        assert any(text.startswith(figures_1_2.PRIORS[model.prior]) for text in shown)
    else:
        assert not any("FEM" in text or "g′" in text for text in shown)
    assert no_overlap(figure)


def no_overlap(figure):
    """No text reaches into another one or over the page's edge."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts if text.get_text()]
    for i, one in enumerate(boxes):
        page = figure.bbox
        assert page.x0 <= one.x0 < one.x1 <= page.x1 and page.y0 <= one.y0 < one.y1 <= page.y1, texts(figure)[i]
        for k, other in enumerate(boxes[:i]):
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            along = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 0 or along <= 0.25 * min(one.height, other.height), (texts(figure)[i], texts(figure)[k])
    return True


def test_the_trace_knows_order_sizes_and_what_feeds_what():
    model = create_model("sftip")
    stages = network_trace.trace(model)
    names = list(stages)
    assert names.index("g_a.0") < names.index("sem_a.0") < names.index("g_a.1")
    assert names.index("fem.s.0") < names.index("sem_s.start") < names.index("g_s.0")
    assert stages["fem.a.0"].inputs == (("g′", 3), ("x", 3))
    assert stages["fem.h.0"].inputs == (("g′", 3), ("y", model.y_ch))
    assert stages["fem.s.0"].inputs == (("fem.w", model.z_ch), ("ŷ", model.y_ch))
    assert stages["fem.w"].inputs == (("ẑ", model.z_ch),)
    assert [stages[f"sem_h.{i}"].features for i in (0, 2, 4, 6)] == [f"fem.h.{i}" for i in range(4)]
    assert [len(stages[f"cc_mean_transforms.{i}"].inputs) - 1 for i in range(10)] == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]
    assert [stages[name].step for name in ("g_a.8", "h_a.8", "fem.h.3", "g_s.8")] == [16, 64, 128, 1]


def test_a_trace_leaves_no_hooks_and_changes_nothing():
    model, x = create_model("sftip").eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = model(x)["x_hat"]
        network_trace.trace(model)
        assert torch.equal(model(x)["x_hat"], before)
    assert not any(module._forward_hooks for module in model.modules())


def test_other_builds_are_refused():
    with pytest.raises(InputError, match="no diagram of cheng2020"):
        figures_1_2.architecture(create_model("cheng2020"))


def test_the_inside_of_a_sem_and_of_what_it_replaces():
    models = {"ours": create_model(), "theirs": create_model(sem="sft")}
    figure = figures_1_2.enhancement(models)
    shown = texts(figure)
    for model in models.values():
        site = model.sem_a["0"]
        assert f"conv 3×3, {site.affine.out_channels}" in shown and f"β, {site.affine.out_channels // 2}" in shown
    assert {"FEM a.0", "CB a.0", "NESFT", "SFT", "ReLU"} <= set(shown)
    assert shown.count("LeakyReLU") == 3 and shown.count("GELU") == 4
    assert shown.count(f"F, {models['ours'].g_a[0].out_channels} channels, H/2\nfrom g_a.0") == 2
    assert no_overlap(figure)
