"""Rate-distortion loss with a Lagrange multiplier for every pixel (Section 3.4, Eq. 8-11)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sccore.priors import check_mask
from sccore.utils.errors import require


def lagrange_map(mask: Tensor, lmbda: Tensor | float) -> Tensor:
    """Lambda map of Eq. 10: (M / 5 + 0.9) * lmbda, i.e. 1.1 lmbda on text and 0.9 lmbda elsewhere."""
    return (mask / 5 + 0.9) * lmbda


def wmse(x: Tensor, x_hat: Tensor, mask: Tensor, lmbda: Tensor) -> Tensor:
    """lambda_i * 255^2 * (x_i - x_hat_i)^2, the mean over pixels and images (Eq. 9 and 11); lmbda (B, 1, 1, 1)."""
    return 255**2 * (lagrange_map(mask, lmbda) * (x - x_hat) ** 2).mean()


def mse(x: Tensor, x_hat: Tensor, mask: Tensor, lmbda: Tensor) -> Tensor:
    """The same with one lambda for all pixels (Eq. 8)."""
    return 255**2 * (lmbda * (x - x_hat) ** 2).mean()


METRICS = {"wmse": wmse, "mse": mse}  # distortions at lambda's price, for a recipe to choose from; one of your own is added here


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
        metric: of METRICS; "wmse" is Eq. 11, "mse" the plain Eq. 8 (Table 6).

    Returns:
        scalars: loss, bpp (R), mse (plain, on [0, 1]) and psnr in dB of that mse; only loss carries gradients.

    Raises:
        InputError: another metric, or a mask of another form.

    Example:
        >>> x, model = torch.rand(2, 3, 64, 64), sccore.create_model("wacnn")
        >>> sccore.rate_distortion(model(x), x, None, lmbda=0.0067)["loss"].requires_grad
        True
    """
    require("metric", metric, METRICS)
    check_mask(mask, x)
    lmbda = torch.as_tensor(lmbda, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)
    distortion = METRICS[metric](x, output["x_hat"], torch.ones_like(x[:, :1]) if mask is None else mask, lmbda)
    bpp = rate(output["likelihoods"], x.shape[-2] * x.shape[-1]).mean().to(x.dtype)
    plain = F.mse_loss(output["x_hat"].detach(), x)
    return {"loss": bpp + distortion + output.get("task", 0.0), "bpp": bpp.detach(), "mse": plain, "psnr": -10 / math.log(10) * plain.log()}
