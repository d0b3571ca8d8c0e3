"""Recipes: how a model is trained, the paper's (Section 4.1) and the companion's."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sccore.presets import LAMBDAS
from sccore.utils.errors import InputError, require
from sccore.utils.values import cast

if TYPE_CHECKING:  # plans and records are read without torch
    from sccore.hyperprior import Hyperprior


@dataclass
class Recipe:
    """How a model is trained; compared models share it. The defaults are the paper's, one stage of it.

    The paper's two stages are two calls: OpenImages with masks="ones", as in its release, then JPEG AI's images with
    masks="text" from the weights of the first. The companion's recipe is :data:`COMPANION`.

    Example:
        >>> sccore.Recipe(steps=1000, batch=4).lr
        0.0001
    """

    steps: int = 120_000
    batch: int = 8
    crop: int = 256
    optimizer: str = "adam"  # or "muon": matrices of the transforms by Muon, see sccore.training.run.optimizers
    lr: float = 1e-4
    aux_lr: float = 1e-3  # quantiles of the entropy bottleneck
    clip: float = 1.0  # gradient norm
    schedule: str = "plateau"  # x0.3 after 5 validations without gain, stop below min_lr; or "decay": held, then a line to min_lr
    decay: float = 0.7  # of "decay": the share of the training, its last, in which the rate falls
    min_lr: float = 2.7e-6  # 1e-4 * 0.3^3, rounded as in the paper
    warmup: int = 0  # first steps, over which the learning rate rises from 0
    metric: str = "wmse"
    masks: str = "text"  # or "ones": mask = 1 everywhere
    invert: float = 0.0  # share of the crops that are inverted: dark screens are rare
    seed: int = 0
    validate_every: int = 1000

    def __post_init__(self):
        for field in fields(self):  # numbers of numpy, too, become Python's, which files can hold
            setattr(self, field.name, cast(field.name, getattr(self, field.name), type(field.default)))


# The companion's, with the steps that a GPU did in the minutes there were: a backbone from the start of sccore.klt, and
# what begins with trained weights.
_muon: dict[str, Any] = dict(optimizer="muon", schedule="decay", warmup=100)
FROM_KLT = Recipe(steps=7182, batch=32, lr=3e-3, decay=0.5, min_lr=1.5e-3, **_muon)
CPU_BATCH = 4  # what a processor can do in minutes
GENTLE = 3e-4  # learning rate of steps that small from trained weights: with COMPANION's the held-out loss rises
COMPANION = Recipe(steps=7410, batch=16, lr=1.5e-3, decay=0.7, min_lr=0.0, invert=0.15, **_muon)


def short(trained: bool, lr: float = 0.0, **changes) -> Recipe:
    """A recipe of minutes: small steps from trained weights, large ones from the KLT start; `lr` in their stead if not 0."""
    usual = replace(COMPANION, lr=3e-5, invert=0.0) if trained else FROM_KLT
    return replace(usual, lr=lr or usual.lr, min_lr=0.0, warmup=20, validate_every=50, **changes)


def lambda_of(rate: str, lmbda: float) -> float | None:
    """The lambda that a model of this rate is trained for: "fixed", or None for "variable", all of them.

    Raises:
        InputError: another rate, or a lambda that is none of a variable-rate model's.
    """
    require("rate", rate, ("fixed", "variable"))
    if rate == "fixed":
        return lmbda
    if not LAMBDAS[0] <= lmbda <= LAMBDAS[-1]:
        raise InputError(f"lmbda {lmbda:g} is outside the model's {LAMBDAS[0]} to {LAMBDAS[-1]}")
    return None


def check(model: "Hyperprior", lmbda: float | None, recipe: Recipe):
    """Refuses what cannot be trained, before any time is spent."""
    from sccore.loss import METRICS

    if model.lambdas is None and not (lmbda is not None and lmbda > 0):
        raise InputError(f"a fixed-rate model needs a positive lmbda, got {lmbda}")
    if model.lambdas is not None and lmbda is not None:
        raise InputError("a variable-rate model trains all its lambdas; leave lmbda out")
    if recipe.crop % model.stride or recipe.crop <= 0:
        raise InputError(f"crop {recipe.crop} is not a multiple of {model.stride}")
    for name, known in (
        ("metric", METRICS),
        ("masks", ("text", "ones")),
        ("schedule", ("plateau", "decay")),
        ("optimizer", ("adam", "muon")),
    ):
        require(name, getattr(recipe, name), known)
    for least, names in ((1, ("steps", "batch", "validate_every")), (0, ("warmup", "seed", "min_lr"))):
        if wrong := [name for name in names if not least <= getattr(recipe, name) < float("inf")]:
            raise InputError(f"{wrong[0]} must be at least {least}, not {getattr(recipe, wrong[0]):g}")
    for name in ("decay", "invert"):
        if not 0 <= getattr(recipe, name) <= 1:
            raise InputError(f"{name} is a share, from 0 to 1, not {getattr(recipe, name):g}")
    for name in ("lr", "aux_lr", "clip"):
        if not 0 < getattr(recipe, name) < float("inf"):
            raise InputError(f"{name} must be positive, not {getattr(recipe, name):g}")
