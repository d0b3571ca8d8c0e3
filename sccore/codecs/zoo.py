"""Models as one asks for them: new or with shipped weights, and how large they are and what they cost."""

import torch
from torch import nn

from sccore.codecs.checkpoint import load_model
from sccore.codecs.checkpoint_files import shipped
from sccore.codecs.models import CONTEXTS, SWITCHES, build
from sccore.hyperprior import Hyperprior
from sccore.utils.errors import InputError

# unsaid in names
DEFAULTS = {"preset": "companion", **{key: values[0] for key, values in SWITCHES.items()}, "rate": "variable", "context": CONTEXTS[0]}


def create_model(
    name: str = "sftip",
    preset: str = "companion",
    *,
    pretrained: bool = False,
    sem: str = "nesft",
    prior: str = "text+structure",
    laplacian: str = "magnitude",
    rate: str | None = None,
    context: str = "slices",
) -> Hyperprior:
    """A model by its name, untrained or with the weights that are shipped; its `spec` holds what was asked for.

    Args:
        name: "sftip", the paper's model (Fig. 1), "wacnn", its baseline, or one of the other learned codecs of Table 1, "cheng2020" and "ms2020".
        preset: "paper", the published widths, or "companion".
        pretrained: with the shipped weights of such a model, ready to code. False: as PyTorch and He et al. start it.
        sem, prior, laplacian: the ablations (Tables 2 to 4), of SFTIP only; the defaults are the paper's model.
        rate: "fixed" is one model a lambda, as in the paper; "variable" serves every lambda of LAMBDAS and between;
            "tuned" is a variable-rate model trained on for one lambda, of which it keeps the gains.
            None: the rate of the shipped weights, or "fixed" for a new model.
        context: "slices" is the paper's entropy model; "interlaced" adds a spatial context to its first slices, see :mod:`sccore.context`.

    Returns:
        a :class:`torch.nn.Module` with CompressAI's interface: x (B, 3, H, W) in [0, 1], H and W multiples of 64.

    Raises:
        InputError: an unknown name or switch, or no such weights are shipped; says what is there.

    Example:
        >>> sccore.create_model("sftip", pretrained=True).spec["rate"]
        'variable'
    """
    model = build(name, preset, sem=sem, prior=prior, laplacian=laplacian, rate=rate or "fixed", context=context)
    if not pretrained:
        return model
    wanted = model.spec if rate else {key: value for key, value in model.spec.items() if key != "rate"}
    here = {path: header["spec"] for path, header in shipped().items()}
    fitting = [path for path, spec in here.items() if wanted.items() <= spec.items()]
    if not fitting:
        asked = ", ".join(wanted.values())
        raise InputError(f"no shipped weights of {asked}; shipped: {', '.join(path.stem for path in here) or 'none'}")
    return load_model(min(fitting, key=lambda path: len(path.stem)))  # "wacnn" before "wacnn-base"


def codec_name(spec: dict) -> str:
    """The model's name and, behind it, every switch that departs from the default: sftip-uniform, wacnn-fixed."""
    return "-".join([spec["name"]] + [spec[key] for key, usual in DEFAULTS.items() if spec.get(key, usual) != usual])


def count_parameters(model: nn.Module) -> dict:
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


@torch.enable_grad()  # else the transforms work in strips, and what these share would count twice
def kmac_per_pixel(model: Hyperprior) -> float:
    """Thousands of multiply-accumulates a pixel of coding: analysis, entropy model and synthesis, each once."""
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(1, 3, side := 128, side, device=next(model.parameters()).device)
    level = model.level(model.lambdas[0] if model.lambdas else None, x.device)
    was, _ = model.training, model.train()  # cheng2020 predicts all positions at once in training alone
    with FlopCounterMode(display=False) as counter:
        y_hat, z_hat, _ = model.code_latents(*model.analysis(x), level)
        model.synthesis(y_hat, z_hat)
    model.train(was)
    return round(counter.get_total_flops() / 2 / side**2 / 1000, 1)
