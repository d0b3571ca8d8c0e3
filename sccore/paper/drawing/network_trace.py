"""What a network is made of, found by running it once: every stage that took part, what went in and what came out.

Hooks note the calls of modules; concatenations are noted beside them, so that an input is known by the names of the
tensors it was put together from. :mod:`sccore.paper.figures_1_2` draws Figures 1 and 2 from this and from nothing else.
"""

import sccore.utils.late_compressai  # noqa: F401

# isort: split
from dataclasses import dataclass
from functools import partial

import torch
from compressai.layers import GDN
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sccore.attention import WAM
from sccore.entropy import SliceEntropyModel
from sccore.sem import NESFT, SFT, TransformBlock
from sccore.utils.errors import InputError

SIDE = 128  # of the image that is run: z is 2x2 then, and the coarsest prior features are a single position
PRIOR = "g′"
CONTAINERS = ("g_a", "g_s", "h_a", "h_mean_s", "h_scale_s", "sem_a", "sem_s", "sem_h", "fem.a", "fem.h", "fem.s")
WHOLE = ("h_mean_s", "h_scale_s", "fem.w")


@dataclass(frozen=True)
class Stage:
    """One module's call.

    Args:
        name: of the module in the model: g_a.0, sem_a.2, fem.h.1, cc_mean_transforms.3.
        module: itself.
        inputs: (name, channels) of every part of its first input; what has no name of its own is the external prior
            where prior features begin, and a decoded slice in the entropy model.
        features: name of the stage whose prior features it got beside that; None if it got none.
        channels: of its output.
        step: image height over output height.
    """

    name: str
    module: nn.Module
    inputs: tuple[tuple[str | None, int], ...]
    features: str | None
    channels: int
    step: int


class Joined(TorchFunctionMode):
    """Remembers what was concatenated: id of the result -> the tensors."""

    def __init__(self):
        super().__init__()
        self.parts: dict[int, list[Tensor]] = {}
        self.kept: list[Tensor] = []  # an id is a tensor's as long as it lives

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is torch.cat and isinstance(result, Tensor):
            self.parts[id(result)] = list(args[0])
            self.kept.append(result)
        return result

    def flat(self, tensor: Tensor, known: dict[int, str]) -> list[Tensor]:
        """What a tensor was put together from, down to what has a name."""
        parts = [] if id(tensor) in known else self.parts.get(id(tensor), [])
        return [p for part in parts for p in self.flat(part, known)] or [tensor]


@torch.no_grad()
def trace(model: SliceEntropyModel) -> dict[str, Stage]:
    """Every stage of a WACNN or SFTIP by name, in the order in which they ran on an image of SIDE x SIDE.

    Raises:
        InputError: a model of another build.
    """
    if not isinstance(model, SliceEntropyModel) or not hasattr(model, "h_a"):
        raise InputError(f"no diagram of {model.spec['name']}; there are those of wacnn and sftip")
    modules = dict(model.named_modules())
    watched = [n for n in modules if n in WHOLE or n.rpartition(".")[0] in (*CONTAINERS, *model.predictors)]
    calls, names = [], {}

    def note(name, module, args, output):
        calls.append((name, module, args, output))
        names[id(output)] = name

    hooks = [modules[name].register_forward_hook(partial(note, name)) for name in watched]
    x = torch.zeros(1, 3, SIDE, SIDE, device=next(model.parameters()).device)
    try:
        with Joined() as joined:
            y, z = model.analysis(x, torch.ones_like(x[:, :1]))
            y_hat, z_hat, _ = model.code_latents(y, z, model.level(model.lambdas and model.lambdas[0], x.device))
            x_hat = model.synthesis(y_hat, z_hat)
    finally:
        for hook in hooks:
            hook.remove()
    known = dict(names)
    for tensor, name in ((x, "x"), (y, "y"), (z, "z"), (y_hat, "ŷ"), (z_hat, "ẑ"), (x_hat, "x̂")):
        known[id(tensor)] = name

    def stage(name, module, args, output):
        parts = tuple((known.get(id(part)), part.shape[1]) for part in joined.flat(args[0], known))
        if name.startswith("fem."):
            parts = tuple((part or PRIOR, channels) for part, channels in parts)
        beside = names.get(id(args[1])) if len(args) > 1 else None
        return Stage(name, module, parts, beside, output.shape[1], SIDE // output.shape[2])

    return {call[0]: stage(*call) for call in calls}


def layers(module: nn.Module) -> list[nn.Module]:
    """The layers inside a chain, those that this module can describe in one line kept whole."""
    if isinstance(module, (nn.Sequential, nn.ModuleList)) and not _subpel(module):
        return [layer for child in module for layer in layers(child)]
    return [module]


def _subpel(module):
    return isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.PixelShuffle)


def describe(module: nn.Module) -> str:
    """A layer in a few words, with its channels: "conv 5×5, 32 ↓2"."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        down, up = isinstance(module, nn.Conv2d), isinstance(module, nn.ConvTranspose2d)
        change = "" if module.stride[0] == 1 else f" {'↓' if down else '↑'}{module.stride[0]}"
        return f"{'de' * up}conv {module.kernel_size[0]}×{module.kernel_size[1]}, {module.out_channels}{change}"
    if _subpel(module):
        r, conv = module[1].upscale_factor, module[0]
        return f"subpel {conv.kernel_size[0]}×{conv.kernel_size[1]}, {conv.out_channels // r**2} ↑{r}"
    if isinstance(module, GDN):
        return "IGDN" if module.inverse else "GDN"
    if isinstance(module, WAM):
        attention = module.conv_b[0].attn
        return f"WAM {attention.window}×{attention.window}, {attention.heads} heads"
    if isinstance(module, (NESFT, SFT)):
        return f"{type(module).__name__}, {site_channels(module)}"
    if isinstance(module, TransformBlock):
        return f"{len(module.transforms)} × {type(module.transforms[0]).__name__}, {site_channels(module)}"
    return type(module).__name__


def site_channels(module: nn.Module) -> int:
    """Channels of the backbone features that a SEM site scales and shifts."""
    transform = module.transforms[0] if isinstance(module, TransformBlock) else module
    return transform.affine.out_channels // 2


def is_activation(module: nn.Module) -> bool:
    """Whether a layer has no weights of its own that mix positions or channels: GELU, ReLU, LeakyReLU."""
    return not any(True for _ in module.parameters())


def size(step: int) -> str:
    """H/2 for step 2."""
    return "H" if step == 1 else f"H/{step}"


def sources(stage: Stage) -> str:
    """What a stage reads, with channels: "g′ 3 + x 3"."""
    return " + ".join(f"{name} {channels}" for name, channels in stage.inputs)


def short(module: nn.Module) -> str:
    """FEM for a FEM, CB for a ConditionBlock."""
    return "".join(letter for letter in type(module).__name__ if letter.isupper())


def lines_of(stage: Stage, heading: str) -> list[str]:
    """A heading and a stage's layers without its activations."""
    return [heading, *(describe(layer) for layer in layers(stage.module) if not is_activation(layer))]
