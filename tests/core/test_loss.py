"""Eq. 8-11."""

import math

import pytest
import torch

from sccore.loss import METRICS, lagrange_map, rate, rate_distortion, worth_of_mask
from sccore.utils.errors import InputError

LMBDA = 0.0067


def case(error=0.1, batch=2):
    x = torch.full((batch, 3, 8, 8), 0.5)
    likelihoods = {"y": torch.full((batch, 4, 2, 2), 0.5), "z": torch.full((batch, 2, 1, 1), 0.25)}
    return x, {"x_hat": x + error, "likelihoods": likelihoods}


def distortion(mask, metric="wmse", **kwargs):
    x, output = case(**kwargs)
    values = rate_distortion(output, x, mask, LMBDA, metric)
    return (values["loss"] - values["bpp"]).item()


def test_rate_is_bits_over_pixels():
    _, output = case()
    assert rate(output["likelihoods"], 64).tolist() == [(16 * 1 + 2 * 2) / 64] * 2


@pytest.mark.parametrize("value, weight", [(0, 0.9), (1, 1.1), (0.5, 1.0)])
def test_mask_weighs_the_squared_error(value, weight):
    plain = LMBDA * 255**2 * 0.1**2
    assert distortion(torch.full((2, 1, 8, 8), float(value))) == pytest.approx(weight * plain, rel=1e-5)


def test_no_mask_is_text_everywhere_and_plain_mse_ignores_the_mask():
    assert distortion(None) == pytest.approx(distortion(torch.ones(2, 1, 8, 8)))
    assert distortion(torch.zeros(2, 1, 8, 8), "mse") == pytest.approx(LMBDA * 255**2 * 0.01, rel=1e-5)


def test_weights_act_pixel_by_pixel():
    """An error on the text costs 1.1 / 0.9 of the same error beside it; a weighted mean error could not tell."""
    x, output = case(error=0.0)
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    cost = {}
    for name, columns in (("text", slice(0, 4)), ("rest", slice(4, 8))):
        output["x_hat"] = x.clone()
        output["x_hat"][..., columns] += 0.1
        values = rate_distortion(output, x, mask, LMBDA)
        cost[name] = (values["loss"] - values["bpp"]).item()
    assert cost["text"] / cost["rest"] == pytest.approx(1.1 / 0.9, rel=1e-4)


def test_lambda_of_each_image_and_psnr():
    x, output = case()
    lambdas = torch.tensor([0.0018, 0.025])
    values = rate_distortion(output, x, None, lambdas, "mse")
    assert (values["loss"] - values["bpp"]).item() == pytest.approx(lambdas.mean().item() * 255**2 * 0.01, rel=1e-4)
    assert values["psnr"].item() == pytest.approx(20, abs=1e-4)
    assert lagrange_map(torch.ones(1), 1.0).item() == pytest.approx(1.1)


def test_gradients_flow_through_the_loss_only():
    x, output = case()
    output["x_hat"].requires_grad_()
    values = rate_distortion(output, x, None, LMBDA)
    assert values["loss"].requires_grad and not values["mse"].requires_grad and not values["bpp"].requires_grad
    assert math.isfinite(values["loss"].item())


def test_a_second_task_adds_to_the_loss():
    x, output = torch.rand(2, 3, 32, 32), {"likelihoods": {"y": torch.full((2, 1, 2, 2), 0.5)}}
    output["x_hat"] = x
    values = rate_distortion(output | {"task": torch.tensor(0.25)}, x, None, LMBDA)
    assert (values["loss"] - values["bpp"]).item() == pytest.approx(0.25)


@pytest.mark.parametrize("text", [0.2, 0.5])
def test_worth_of_the_mask_is_the_gap_between_the_two_best_allocations(text):
    distortions = torch.linspace(0.2, 2.0, 20_001, dtype=torch.float64)
    cost = lambda weight: -distortions.log2() / 2 + weight * distortions  # bits and distortion of a coefficient
    known = text * cost(1.1).min() + (1 - text) * cost(0.9).min()
    blind = (text * cost(1.1) + (1 - text) * cost(0.9)).min()
    assert worth_of_mask(text) == pytest.approx((blind - known).item(), abs=1e-7) and worth_of_mask(text) > 1e-3


def test_a_mask_that_is_one_value_everywhere_is_worth_nothing():
    assert worth_of_mask(0.0) == pytest.approx(0, abs=1e-12) and worth_of_mask(1.0) == pytest.approx(0, abs=1e-12)


def test_unknown_metrics_and_masks_of_another_form_are_refused():
    x = torch.rand(2, 3, 64, 64)
    output = {"x_hat": x, "likelihoods": {"y": torch.ones(2, 1, 4, 4)}}
    with pytest.raises(InputError, match="unknown metric 'MSE'; known: wmse, mse"):
        rate_distortion(output, x, None, 0.01, "MSE")
    with pytest.raises(InputError, match="a mask is .B, 1, H, W., this one .2, 64, 64."):
        rate_distortion(output, x, torch.ones(2, 64, 64), 0.01)
    with pytest.raises(InputError, match="a mask is .B, 1, H, W., this one .2, 1, 32, 32. for images .2, 3, 64, 64."):
        rate_distortion(output, x, torch.ones(2, 1, 32, 32), 0.01)


def test_a_distortion_of_ones_own_is_added_to_the_metrics(monkeypatch):
    monkeypatch.setitem(METRICS, "mae", lambda x, x_hat, mask, lmbda: (255 * lmbda * (x - x_hat).abs()).mean())
    x = torch.rand(2, 3, 64, 64)
    output = {"x_hat": x + 0.5, "likelihoods": {"y": torch.ones(2, 1, 4, 4)}}
    assert rate_distortion(output, x, None, 0.01, "mae")["loss"].item() == pytest.approx(255 * 0.01 * 0.5, rel=1e-5)
