"""Rate-distortion loss with a Lagrange multiplier for every pixel (Section 3.4, Eq. 8-11)."""

import math

import torch
from torch import Tensor

from sccore.utils.errors import InputError

METRICS = ("wmse", "mse")


def lagrange_map(mask: Tensor, lmbda: Tensor | float) -> Tensor:
    """Lambda map of Eq. 10: (M / 5 + 0.9) * lmbda, i.e. 1.1 lmbda on text and 0.9 lmbda elsewhere."""
    return (mask / 5 + 0.9) * lmbda


def worth_of_mask(text: float) -> float:
    """Bits per coefficient that knowing the map of Eq. 10 saves an ideal coder: (log2 E[w] - E[log2 w]) / 2.

    Derived here, for Gaussian coefficients at high rate. One of variance v costs log2(v / D) / 2 bits for a
    distortion of D, so that bits + lambda w D is least at D ~ 1 / w, and at D ~ 1 / E[w] where w is not known.

    Args:
        text: share of the coefficients that lie in text, in [0, 1].
    """
    weights = lagrange_map(torch.tensor([1.0, 0.0], dtype=torch.float64), 1.0)
    shares = torch.tensor([text, 1 - text], dtype=torch.float64)
    return float((shares @ weights).log2() - shares @ weights.log2()) / 2


def rate(likelihoods: dict[str, Tensor], pixels: int) -> Tensor:
    """Estimated bits per pixel of each image, (B,): -log2 of every likelihood, summed, over the pixels of an image."""
    first, *others = (-torch.log2(p).flatten(1).sum(1, dtype=torch.float64) for p in likelihoods.values())
    return sum(others, first) / pixels


def rate_distortion(output: dict, x: Tensor, mask: Tensor | None, lmbda: Tensor | float, metric: str = "wmse") -> dict[str, Tensor]:
    """L = R + sum_i lambda_i * 255^2 * (x_i - x_hat_i)^2 / N (Equations 9 and 11), averaged over the batch.

    Args:
        output: of a model, {"x_hat", "likelihoods"}; "task" beside them is the loss of a second task, in bits per pixel.
        x: images in [0, 1], (B, 3, H, W). With the factor 255^2, lmbda has the scale the field uses.
        mask: text mask (B, 1, H, W) in {0, 1}; None stands for 1 everywhere (pre-training stage).
        lmbda: scalar or (B,).
        metric: "wmse" is Eq. 11, "mse" the plain Eq. 8 (Table 6).

    Returns:
        scalars: loss, bpp (R), mse (plain, on [0, 1]) and psnr in dB of that mse; only loss carries gradients.

    Raises:
        InputError: another metric, or a mask of another form.

    Example:
        >>> x, model = torch.rand(2, 3, 64, 64), sccore.create_model("wacnn")
        >>> sccore.rate_distortion(model(x), x, None, lmbda=0.0067)["loss"].requires_grad
        True
    """
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    if mask is not None and mask.ndim != 4:
        raise InputError(f"a mask is (B, 1, H, W), this one {tuple(mask.shape)}")
    lmbda = torch.as_tensor(lmbda, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)
    error = (x - output["x_hat"]) ** 2  # (B, 3, H, W)
    weight = lmbda if metric == "mse" else lagrange_map(torch.ones_like(x[:, :1]) if mask is None else mask, lmbda)
    bpp = rate(output["likelihoods"], x.shape[-2] * x.shape[-1]).mean().to(x.dtype)
    mse = error.detach().mean()
    return {
        "loss": bpp + 255**2 * (weight * error).mean() + output.get("task", 0.0),
        "bpp": bpp.detach(),
        "mse": mse,
        "psnr": -10 / math.log(10) * mse.log(),
    }
