"""The paper's model: WACNN whose transforms are steered by external priors (Section 3.1, Fig. 1)."""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from sccore.presets import PRESETS, Preset
from sccore.priors import LAPLACIANS, PRIORS, WITHOUT_TEXT, external_prior
from sccore.sem import FEM, NESFT, SFT, ConditionBlock, TransformBlock, octaves
from sccore.utils.beside import in_strips
from sccore.utils.errors import require
from sccore.wacnn import WACNN

SEMS = {"nesft": (FEM, NESFT), "sft": (ConditionBlock, SFT)}  # what makes prior features, and what acts at a site


class SFTIP(WACNN):
    """The paper's model: WACNN whose transforms are steered by external priors (Equations 1, 3 and 4).

    The backbone keeps WACNN's names and order of layers; the SEM sites stand beside it and start as the identity, so a
    trained WACNN becomes a SFTIP of equal output by loading its weights.

    Args:
        widths, lambdas: see :class:`sccore.wacnn.WACNN`.
        sem: "nesft" is the paper's FEM and NESFT, "sft" Song et al.'s condition block and SFT (Table 2).
        prior, laplacian: see :func:`sccore.priors.external_prior`.

    Raises:
        InputError: another value of a switch.

    Example:
        >>> model, x = sccore.SFTIP(sccore.PRESETS["companion"]), torch.rand(1, 3, 64, 64)
        >>> model(x, mask=torch.ones(1, 1, 64, 64))["x_hat"].shape
        torch.Size([1, 3, 64, 64])
    """

    encoder = "g_a", "h_a", "sem_a", "sem_h", "fem.a", "fem.h"
    switches = "sem", "prior", "laplacian"

    def __init__(
        self,
        widths: Preset = PRESETS["paper"],
        lambdas: tuple[float, ...] | None = None,
        sem: str = "nesft",
        prior: str = "text+structure",
        laplacian: str = "magnitude",
    ):
        super().__init__(widths, lambdas)
        for what, value, known in (("sem", sem, SEMS), ("prior", prior, PRIORS), ("laplacian", laplacian, LAPLACIANS)):
            require(what, value, known)
        self.prior, self.laplacian, self.sees_mask = prior, laplacian, prior not in WITHOUT_TEXT
        (n1, n2, n3), M, (a, b, c, d, z_ch) = widths.stages, widths.M, widths.hyper
        condition, transform = SEMS[sem]
        self.fem = condition(M, z_ch, widths.prior, widths.stem)
        site = lambda channels: transform(channels, widths.prior, widths.hidden)
        block = lambda channels: TransformBlock(transform, channels, widths.prior, widths.hidden)
        # a site stands behind the layer it is named after; "start" stands before the first
        self.sem_a = nn.ModuleDict({"0": site(n1), "2": site(n2), "5": site(n3), "8": block(M)})  # H/2 H/4 H/8 H/16
        self.sem_s = nn.ModuleDict({"start": block(M), "2": site(n3), "5": site(n2), "7": site(n1)})  # H/16 H/8 H/4 H/2
        self.sem_h = nn.ModuleDict({"0": site(a), "2": site(b), "4": site(c), "6": block(d)})  # H/16 H/16 H/32 H/32

    def analysis(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """y = g_a(x, Phi_1) (Eq. 1) and z = h_a(y, Phi_2) (Eq. 3)."""
        with torch.autocast(x.device.type, enabled=False):
            g = external_prior(x, mask, self.prior, self.laplacian)  # (B, 3, H, W)

        def first(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:  # down to H/4, where attention looks farther
            features = self.fem.analysis(x, g, 3)
            return steer(self.g_a[:4], 2 * x - 1 if self.centred else x, self.sem_a, [*features[:2], None, None]), features[-1]

        y, phi = in_strips(first, (x, g), rows=256, halo=12)
        y = steer(self.g_a[4:], y, self.sem_a, [None, None, phi, *octaves(self.fem.a[3:], phi)])
        return y, steer(self.h_a, y, self.sem_h, self.fem.hyper(y, g))

    def synthesis(self, y_hat: Tensor, z_hat: Tensor) -> Tensor:
        """x_hat = g_s(y_hat, Phi_3) (Eq. 4): the decoder's priors come from decoded data alone."""
        features = self.fem.synthesis(y_hat, z_hat, 3)
        x, phi = steer(self.g_s[:6], y_hat, self.sem_s, [*features, None]), features[-1]

        def last(x: Tensor, phi: Tensor) -> tuple[Tensor]:  # from H/4 up, behind the last attention
            return (steer(self.g_s[6:], x, self.sem_s, [None, None, None, *octaves(self.fem.s[3:], phi)]),)

        (x_hat,) = in_strips(last, (x, phi), rows=48, halo=4)
        return (x_hat + 1) / 2 if self.centred else x_hat


def steer(transform: nn.Module, x: Tensor, sites: nn.ModuleDict, features: Sequence[Tensor | None]) -> Tensor:
    """Runs `transform`, and behind each layer the SEM site that is named after it, with that site's prior features.

    Args:
        features: for each site; None for those that are not in this part of the transform.

    Raises:
        ValueError: features for more or fewer sites, or for one that names no layer.
    """
    phi = dict(zip(sites, features, strict=True))
    for name, layer in chain([("start", nn.Identity())], transform.named_children()):
        x = layer(x)
        if phi.get(name) is not None:
            x = sites[name](x, phi.pop(name))
    if left := [name for name, own in phi.items() if own is not None]:
        raise ValueError(f"no layer is named {', '.join(left)}")
    return x
