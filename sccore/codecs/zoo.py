"""All learned codecs by name: made, counted, and what their names are in records."""

import torch
from torch import nn

from sccore.codecs.cheng2020 import Cheng2020
from sccore.codecs.ms2020 import MS2020
from sccore.gains import GainUnits
from sccore.hyperprior import Hyperprior
from sccore.presets import LAMBDAS, PRESETS
from sccore.priors import LAPLACIANS, PRIORS
from sccore.sftip import SFTIP
from sccore.utils.errors import InputError
from sccore.wacnn import WACNN

MODELS = {"wacnn": WACNN, "sftip": SFTIP, "cheng2020": Cheng2020, "ms2020": MS2020}
SWITCHES = {  # of SFTIP alone; the first of each is the paper's
    "sem": ("nesft", "sft"),
    "prior": PRIORS,
    "laplacian": LAPLACIANS,
}
RATES = ("fixed", "variable", "tuned")
DEFAULTS = {"preset": "companion", **{key: values[0] for key, values in SWITCHES.items()}, "rate": "variable"}  # unsaid in names


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


def codec_name(spec: dict) -> str:
    """The model's name and, behind it, every switch that departs from the default: sftip-uniform, wacnn-fixed."""
    return "-".join([spec["name"]] + [spec[key] for key, usual in DEFAULTS.items() if spec.get(key, usual) != usual])


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
