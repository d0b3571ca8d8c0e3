"""Two synthesis transforms in training, one in use."""

import torch
from models import lively

from sccore.codecs.zoo import create_model, kmac_per_pixel
from sccore.loss import rate_distortion


def test_paper_preset_has_the_published_widths():
    model = create_model("ms2020", "paper")
    widths = lambda net: [layer.out_channels for layer in net if hasattr(layer, "out_channels")]
    assert widths(model.g_a) == [192, 192, 192, 320] and widths(model.g_s) == [192, 192, 192, 3]
    assert widths(model.h_a) == [320, 256, 192] and widths(model.h_mean_s) == widths(model.h_scale_s) == [192, 256, 320]
    assert all(widths(net) == [224, 128, 32] for net in (*model.cc_mean_transforms, *model.lrp_transforms))
    assert model.lrp_transforms[9][0].in_channels == 320 + 6 * 32


def test_segmentation_is_of_training_alone_and_teaches_the_encoder():
    model, x = lively("ms2020", rate="variable"), torch.rand(2, 3, 64, 64)
    lmbda = torch.tensor([0.0018, 0.025])
    assert "segmentation" not in model(x, lmbda=lmbda)
    output = model.train()(x, lmbda=lmbda)
    assert output["segmentation"].shape == (2, 1, 64, 64)
    with_task = rate_distortion(output, x, None, lmbda)
    del output["task"]
    task = with_task["loss"] - rate_distortion(output, x, None, lmbda)["loss"]
    task.backward()
    assert model.g_seg[0].weight.grad.abs().sum() > 0 and model.g_a[0].weight.grad.abs().sum() > 0
    assert model.g_s[0].weight.grad is None or not model.g_s[0].weight.grad.any()


def test_complexity_is_that_of_coding():
    model = create_model("ms2020")
    before = kmac_per_pixel(model)
    model.g_seg = torch.nn.Identity()
    assert kmac_per_pixel(model) == before
