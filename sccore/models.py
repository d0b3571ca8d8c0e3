"""WACNN and the paper's model on top of it (Section 3.1, Fig. 1), at the paper's size and at a companion's."""

from dataclasses import dataclass
from itertools import chain

import sccore._compat  # noqa: F401
import torch
from compressai.layers import GDN, conv3x3
from torch import Tensor, nn

from sccore.attention import WAM
from sccore.cheng2020 import Cheng2020
from sccore.entropy import SliceEntropyModel, hyper_synthesis
from sccore.errors import InputError
from sccore.gains import GainUnits
from sccore.hyperprior import Hyperprior, keep_variance
from sccore.layers import GELU, conv, conv_chain, deconv
from sccore.ms2020 import MS2020
from sccore.priors import LAPLACIANS, PRIORS, external_prior
from sccore.sem import FEM, NESFT, SFT, ConditionBlock, TransformBlock

LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250)  # Section 4.1


@dataclass(frozen=True)
class Preset:
    """Channel counts; the topology is the same in every preset."""

    stages: tuple[int, int, int]  # g_a behind its first three convolutions, g_s in reverse
    M: int  # y, in ten slices
    hyper: tuple[int, ...]  # h_a after its first convolution's input; the last is z
    cc: tuple[int, ...]  # slice networks
    prior: int  # FEM's output
    hidden: int  # NESFT's shared part
    stem: tuple[int, ...]  # first stages of FEM
    cheng: tuple[int, int]  # N and M of cheng2020
    ms: int  # N of ms2020
    heads: int = 8
    centred: bool = False  # g_a sees 2 x - 1 and g_s answers in kind


PRESETS = {
    "paper": Preset((192, 192, 192), 320, (320, 288, 256, 224, 192), (224, 176, 128, 64), 64, 128, (256, 128), (192, 192), 192),
    # As many coefficients as the paper's. Narrow where the maps are large, which is where the time goes; few heads, for
    # attention over 64 positions took much of a step; centred, for screens are mostly white.
    "companion": Preset((32, 64, 128), 320, (64, 56, 48, 40, 32), (48, 32, 24), 16, 32, (16, 16), (48, 80), 64, heads=2, centred=True),
}


class WACNN(SliceEntropyModel):
    """Window-attention convolutional codec (Zou et al., CVPR 2022), the paper's baseline and backbone.

    ::

        x ──► g_a ──► y ──► slices ──► y_hat ──► g_s ──► x_hat
                      └──► h_a ──► z ──► z_hat ─┘

    Args:
        widths: channel counts.
        lambdas: the rates of a variable-rate model, ascending, or None for a model of one rate.
    """

    def __init__(self, widths: Preset, lambdas: tuple[float, ...] | None = None):
        (n1, n2, n3), M, hyper, heads = widths.stages, widths.M, widths.hyper, widths.heads
        h_s = lambda: hyper_synthesis(*hyper[::-1])
        net = lambda seen, slice_ch: conv_chain(seen, *widths.cc, slice_ch)
        super().__init__(M, hyper[-1], hyper[0], h_s, net, lambdas, widths.centred)
        self.g_a = nn.Sequential(
            conv(3, n1),  # 0  (B, n1, H/2, W/2)
            GDN(n1),
            conv(n1, n2),  # 2  (B, n2, H/4, W/4)
            GDN(n2),
            WAM(n2, heads, window=8, shift=4),
            conv(n2, n3),  # 5  (B, n3, H/8, W/8)
            GDN(n3),
            conv(n3, M),  # 7  (B, M, H/16, W/16)
            WAM(M, heads, window=4, shift=2),
        )
        self.g_s = nn.Sequential(
            WAM(M, heads, window=4, shift=2),  # 0  (B, M, H/16, W/16)
            deconv(M, n3),  # 1  (B, n3, H/8, W/8)
            GDN(n3, inverse=True),
            deconv(n3, n2),  # 3  (B, n2, H/4, W/4)
            GDN(n2, inverse=True),
            WAM(n2, heads, window=8, shift=4),
            deconv(n2, n1),  # 6  (B, n1, H/2, W/2)
            GDN(n1, inverse=True),
            deconv(n1, 3),  # 8  (B, 3, H, W)
        )
        a, b, c, d, e = hyper
        self.h_a = nn.Sequential(
            conv3x3(M, a), GELU(),  # 0  (B, a, H/16, W/16)
            conv3x3(a, b), GELU(),  # 2
            conv3x3(b, c, stride=2), GELU(),  # 4  (B, c, H/32, W/32)
            conv3x3(c, d), GELU(),  # 6
            conv3x3(d, e, stride=2),  # 8  (B, e, H/64, W/64)
        )  # fmt: skip
        for transform in (*(self.g_a[i] for i in (0, 2, 5, 7)), self.h_a, self.h_mean_s, self.h_scale_s):
            keep_variance(transform)


class SFTIP(WACNN):
    """The paper's model: WACNN whose transforms are steered by external priors (Eq. 1, 3, 4).

    The backbone keeps WACNN's names and order of layers; the SEM sites stand beside it and start as the identity, so a
    trained WACNN becomes a SFTIP of equal output by loading its weights.

    Args:
        sem: "nesft" is the paper's FEM and NESFT, "sft" Song et al.'s condition block and SFT (Table 2).
        prior, laplacian: see :func:`sccore.priors.external_prior`.
    """

    def __init__(self, widths: Preset, lambdas: tuple[float, ...] | None = None, sem: str = "nesft",
                 prior: str = "text+structure", laplacian: str = "magnitude"):
        super().__init__(widths, lambdas)
        self.prior, self.laplacian = prior, laplacian
        (n1, n2, n3), M, (a, b, c, d, z_ch) = widths.stages, widths.M, widths.hyper
        self.fem = {"nesft": FEM, "sft": ConditionBlock}[sem](M, z_ch, widths.prior, widths.stem)
        transform = {"nesft": NESFT, "sft": SFT}[sem]
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
        y = steer(self.g_a, 2 * x - 1 if self.centred else x, self.sem_a, self.fem.analysis(x, g))
        return y, steer(self.h_a, y, self.sem_h, self.fem.hyper(y, g))

    def synthesis(self, y_hat: Tensor, z_hat: Tensor) -> Tensor:
        """x_hat = g_s(y_hat, Phi_3) (Eq. 4): the decoder's priors come from decoded data alone."""
        x_hat = steer(self.g_s, y_hat, self.sem_s, self.fem.synthesis(y_hat, z_hat))
        return (x_hat + 1) / 2 if self.centred else x_hat


def steer(transform: nn.Sequential, x: Tensor, sites: nn.ModuleDict, features: list[Tensor]) -> Tensor:
    """Runs `transform`, and behind each layer the SEM site that is named after it, with that site's prior features."""
    phi = dict(zip(sites, features))
    for name, layer in chain([("start", nn.Identity())], transform.named_children()):
        x = layer(x)
        if name in sites:
            x = sites[name](x, phi[name])
    return x


MODELS = {"wacnn": WACNN, "sftip": SFTIP, "cheng2020": Cheng2020, "ms2020": MS2020}
SWITCHES = {  # of SFTIP alone; the first of each is the paper's
    "sem": ("nesft", "sft"),
    "prior": PRIORS,
    "laplacian": LAPLACIANS,
}
RATES = ("fixed", "variable", "tuned")


def create_model(name: str = "sftip", preset: str = "companion", *, sem: str = "nesft", prior: str = "text+structure",
                 laplacian: str = "magnitude", rate: str = "fixed") -> Hyperprior:
    """A new model; its `spec` holds what was asked for.

    Args:
        name: "wacnn", "sftip", or one of the other learned codecs of Table 1, "cheng2020" and "ms2020".
        preset: "paper", the published widths, or "companion".
        sem, prior, laplacian: the ablations, of SFTIP only; the defaults are the paper's model.
        rate: "fixed" is one model a lambda, as in the paper; "variable" serves every lambda of LAMBDAS and between;
            "tuned" is a variable-rate model trained on for one lambda, of which it keeps the gains.
    """
    switches = {"sem": sem, "prior": prior, "laplacian": laplacian}
    known = {"name": MODELS, "preset": PRESETS, **SWITCHES, "rate": RATES}
    for key, value in {"name": name, "preset": preset, **switches, "rate": rate}.items():
        if value not in known[key]:
            raise InputError(f"unknown {key} {value!r}; known: {', '.join(known[key])}")
    if name != "sftip":
        for key, value in switches.items():
            if value != SWITCHES[key][0]:
                raise InputError(f"{key} {value!r} is a switch of sftip; {name} has no {key}")
        switches = {}
    model = MODELS[name](PRESETS[preset], LAMBDAS if rate == "variable" else None, **switches)
    if rate == "tuned":
        model.gain_y, model.gain_z = GainUnits(model.y_ch, [1.0]), GainUnits(model.z_ch, [1.0])
    model.spec = {"name": name, "preset": preset, **switches, "rate": rate}
    model.meta, model.checkpoint_hash = {}, None
    return model


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters in all, trainable ones (quantiles are trained by the auxiliary loss and count), and by part."""
    sites = {"g_a": "sem_a", "g_s": "sem_s", "h_a": "sem_h"}
    size = lambda *names: sum(p.numel() for n in names for p in getattr(model, n, nn.Identity()).parameters())
    parts = {name: size(name, sites.get(name, "")) for name, _ in model.named_children() if name not in sites.values()}
    parameters = list(model.parameters())
    return {
        "total": sum(p.numel() for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
        "parts": {name: n for name, n in parts.items() if n},
    }


@torch.no_grad()
def kmac_per_pixel(model: Hyperprior, side: int = 256) -> float:
    """Thousands of multiply-accumulates a pixel of coding: analysis, entropy model and synthesis, each once."""
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(1, 3, side, side, device=next(model.parameters()).device)
    level = model.level(model.lambdas and model.lambdas[0], x.device)
    was, _ = model.training, model.train()  # cheng2020 predicts all positions at once in training alone
    with FlopCounterMode(display=False) as counter:
        y_hat, z_hat, _ = model.code_latents(*model.analysis(x), level)
        model.synthesis(y_hat, z_hat)
    model.train(was)
    return round(counter.get_total_flops() / 2 / side**2 / 1000, 1)
