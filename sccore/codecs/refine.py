"""The encoder's search: y moved for the one picture that is coded, by gradient descent on its rate and distortion.

An encoder makes y in one pass, as training on many pictures taught it. A file does not say how its symbols came about. So they
can be improved for each picture (Campos et al., CVPR workshops 2019; Yang, Bamler & Mandt, NeurIPS 2020), and decoders stay as
they are. Of Yang et al.'s stochastic Gumbel annealing we keep the annealing and leave out the noise: a symbol lies between two
whole numbers, softly at first and then ever more sharply. We descend along the gradient itself, in bits and quantiser steps, with
momentum. Adam, which they use, moves a symbol that hardly matters as far as any other.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from sccore.context import LATTICE, Context
from sccore.entropy import SliceEntropyModel
from sccore.hyperprior import Hyperprior
from sccore.loss import rate_distortion
from sccore.utils.errors import InputError

LEVELS = range(7)  # of effort
RATE = 0.005  # quantiser steps that a slope of one bit a quantiser step moves a symbol
MOMENTUM = 0.9
FARTHEST = 0.2  # quantiser steps in one step of descent
HOT, COLD = 0.15, 0.07  # temperatures, at the first step and at the last
TILE = 2 * LATTICE  # positions from a tile to the next, 512 pixels; the context's lattice is the same in each
MARGIN = 2  # positions that a tile sees around what it changes


def steps_of(effort: int, model: Hyperprior | None = None) -> int:
    """Steps of descent at a level of effort: none at 0, else 2^effort.

    Raises:
        InputError: no such level, or a model that does not code y in slices.
    """
    if type(effort) is not int or effort not in LEVELS:
        raise InputError(f"effort is a whole number from {LEVELS[0]} to {LEVELS[-1]}, not {effort!r}")
    if effort and model is not None and not isinstance(model, SliceEntropyModel):
        raise InputError(f"effort works with models that code in slices; {model.spec['name']} does not")
    return 2**effort if effort else 0


class Span(NamedTuple):
    """Positions begin to end that a tile sees of a side of y, and first to last that it changes."""

    begin: int
    end: int
    first: int
    last: int


def spans(side: int) -> list[Span]:
    """Those of all tiles; each position is changed by one."""
    begins = range(0, max(1, side - 2 * MARGIN), TILE)
    span = lambda b: Span(b, min(b + TILE + 2 * MARGIN, side), b + MARGIN if b else 0, side if b == begins[-1] else b + TILE + MARGIN)
    return [span(b) for b in begins]


@torch.no_grad()
def refine(
    model: SliceEntropyModel,
    x: Tensor,
    mask: Tensor,
    latents: tuple[Tensor, Tensor],
    lmbda: float,
    size: tuple[int, int],
    steps: int,
    progress: bool = False,
) -> Tensor:
    """The y to code in place of the analysis', (1, M, H/16, W/16), for the same z.

    Args:
        x, mask: as the analysis saw them, (1, 3, H, W) and (1, 1, H, W).
        latents: y and z.
        lmbda: what the picture is coded at, and the lambda of the loss of training (Eq. 11).
        size: (height, width) of the picture without padding; only its errors count.
        steps: of descent. Pictures larger than a tile take so many for each, one tile after the other.
        progress: show the steps.

    Raises:
        InputError: no positive lambda.
    """
    if not lmbda > 0:
        raise InputError("effort needs a positive lmbda to weigh bits against distortion")
    y, z = latents[0].clone(), latents[1]
    pixels, deep = x.shape[-1] // y.shape[-1], y.shape[-1] // z.shape[-1]  # of a position of y; of its positions one of z
    level = model.level(lmbda, y.device)
    gain = model.gain_y(level)[0].to(y.dtype)
    tiles = list(product(*map(spans, y.shape[-2:])))
    with frozen(model), tqdm(total=steps * len(tiles), desc="effort", unit="step", disable=None if progress else True, leave=False) as bar:
        for tile in tiles:
            here = (..., *(slice(span.begin, span.end) for span in tile))
            area = (..., *(slice(pixels * span.begin, min(pixels * span.end, whole)) for span, whole in zip(tile, size)))
            z_hat = model.code_z(z[..., *(slice(span.begin // deep, span.end // deep) for span in tile)], level)[0]
            cost = partial(bits, model, x[area], mask[area], z_hat, level, lmbda)
            moved = descend(cost, y[here] * gain, steps, bar.update) / gain
            y[..., *(slice(span.first, span.last) for span in tile)] = moved[
                ..., *(slice(span.first - span.begin, span.last - span.begin) for span in tile)
            ]
    return y


def descend(cost: Callable[[Tensor, float], Tensor], scaled: Tensor, steps: int, done: Callable[[], object]) -> Tensor:
    """y in quantiser steps, where the cost is lower; `done` is called after each step.

    Args:
        cost: (y in quantiser steps, temperature) -> bits.
    """
    scaled, speed = scaled.clone(), torch.zeros_like(scaled)
    for step in range(steps):
        over = step / max(1, steps - 1)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(cost(scaled.requires_grad_(), HOT * (COLD / HOT) ** over), scaled)
        speed = MOMENTUM * speed + slope
        slower = (1 + math.cos(math.pi * step / steps)) / 2
        scaled = scaled.detach() - (slower * RATE * speed).clamp(-FARTHEST, FARTHEST)
        done()
    return scaled


def bits(
    model: SliceEntropyModel, x: Tensor, mask: Tensor, z_hat: Tensor, level: Tensor, lmbda: float, scaled: Tensor, temperature: float
) -> Tensor:
    """What a picture costs: the bits of y, and its errors at lambda's price.

    Args:
        x, mask: of the picture, which may end before y does.
        scaled: y in quantiser steps.
    """
    gain, inverse = (g.to(scaled.dtype) for g in model.gain_y(level))
    y, likelihoods = scaled / gain, []

    def residual(part, mu: Tensor, sigma: Tensor, context: Context) -> Tensor:
        own = part(gain)
        soft = soften((part(y) - mu) * own, temperature)
        _, mean, scale = context(mu * own, sigma * own, lambda where, *_: where(soft))
        likelihoods.append(model.probability(soft, mean, scale))
        return soft * part(inverse)

    y_hat = model.decode_parts(model, z_hat, residual)
    x_hat = model.synthesis(*(t.contiguous(memory_format=torch.channels_last) for t in (y_hat, z_hat)))
    output = {"x_hat": x_hat[..., : x.shape[-2], : x.shape[-1]], "likelihoods": {"y": torch.cat(likelihoods, dim=1)}}
    return rate_distortion(output, x, mask, lmbda, metric_of(model))["loss"] * x[0, 0].numel()


def metric_of(model: Hyperprior) -> str:
    """The distortion that its transforms were trained by, of its last stage that says so."""
    stages = (model.meta, *reversed(model.meta.get("history", [])))
    return next((stage["recipe"]["metric"] for stage in stages if "metric" in (stage.get("recipe") or {})), "wmse")


def soften(r: Tensor, temperature: float) -> Tensor:
    """Between the whole numbers around r: their mean as Yang et al. weigh them. Nearly r itself at 0.5, rounded at 0."""
    low = r.detach().floor()
    share = (r - low).clamp(1e-4, 1 - 1e-4)
    return low + torch.sigmoid((share.atanh() - (1 - share).atanh()) / temperature)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """In here no gradients of its weights are prepared."""
    free = [p for p in model.parameters() if p.requires_grad]
    try:
        for p in free:
            p.requires_grad_(False)
        yield
    finally:
        for p in free:
            p.requires_grad_()
