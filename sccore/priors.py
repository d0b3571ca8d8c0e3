"""External prior guidance (Section 3.2): what the encoder knows of structure and text before it starts."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sccore.utils.errors import InputError, require

EPSILON = 2.0  # Eq. 6: text weighs 1, everything else 2/3
LAPLACIANS = ("magnitude", "signed")
PRIORS = ("text+structure", "structure", "uniform")
WITHOUT_TEXT = ("structure", "uniform")


def laplacian(x: Tensor, kind: str = "magnitude") -> Tensor:
    """Basic structural prior g: the Laplacian response of each colour channel (Eq. 5).

    The border is replicated: with zeros around it every image would carry a bright frame.

    Args:
        x: images in [0, 1], (B, C, H, W).
        kind: "magnitude" drops its sign (the paper: direction is not considered), "signed" the response itself
            (as in the public release; its average over 16x16 pixels almost vanishes on text).

    Returns:
        (B, C, H, W), in [0, 8] for "magnitude" and in [-8, 8] for "signed".

    Raises:
        InputError: another kind.
    """
    require("laplacian", kind, LAPLACIANS)
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = around[:, :, :-2] + around[:, :, 1:-1] + around[:, :, 2:]
    response = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] - 9 * x  # [1 1 1; 1 -8 1; 1 1 1]
    return response.abs() if kind == "magnitude" else response


def external_prior(x: Tensor, mask: Tensor | None = None, prior: str = "text+structure", kind: str = "magnitude") -> Tensor:
    """External prior g' = (M + eps) * g / (eps + 1) (Equation 6), or one of its ablations.

    Args:
        x: images in [0, 1], (B, 3, H, W).
        mask: text mask M in {0, 1}, (B, 1, H, W); None stands for M = 1 everywhere, as in the pre-training stage.
        prior: "text+structure" is the paper's; "structure" sets M = 1 (Table 4, without text position prior);
            "uniform" is the constant map 1 in every channel (Table 3, without structural prior).
        kind: see :func:`laplacian`.

    Returns:
        (B, 3, H, W).

    Raises:
        InputError: another prior or kind, or a mask of another form.

    Example:
        >>> x, mask = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
        >>> sccore.external_prior(x, mask).shape
        torch.Size([1, 3, 32, 32])
    """
    require("prior", prior, PRIORS)
    check_mask(mask, x)
    if prior == "uniform":
        return torch.ones_like(x)
    g = laplacian(x, kind)  # (B, 3, H, W)
    if prior == "structure" or mask is None:
        return g
    return (mask + EPSILON) * g / (EPSILON + 1)


def check_mask(mask: Tensor | None, x: Tensor):
    """Refuses a mask that is not (B, 1, H, W) for images (B, 3, H, W), B images or one for all."""
    if mask is not None and (mask.ndim != 4 or mask.shape[1] != 1 or mask.shape[2:] != x.shape[2:] or mask.shape[0] not in (1, x.shape[0])):
        raise InputError(f"a mask is (B, 1, H, W), this one {tuple(mask.shape)} for images {tuple(x.shape)}")
