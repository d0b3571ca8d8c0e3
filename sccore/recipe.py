"""Recipes: how a model is trained, the paper's (Section 4.1) and those of compared models."""

from dataclasses import asdict, dataclass

from sccore.errors import InputError
from sccore.loss import METRICS
from sccore.hyperprior import Hyperprior


@dataclass
class Recipe:
    """How a model is trained; compared models share it. The defaults are the paper's, one stage of it.

    The paper's two stages are two calls: general images with masks="ones", then screens with masks="text" from the
    weights of the first (`PAPER_STAGES`).
    """

    steps: int = 120_000
    batch: int = 8
    crop: int = 256
    optimizer: str = "adam"  # or "muon": the matrices of the transforms by Muon, at five times lr
    lr: float = 1e-4
    aux_lr: float = 1e-3  # quantiles of the entropy bottleneck
    clip: float = 1.0  # gradient norm
    schedule: str = "plateau"  # x0.3 after 5 validations without gain, stop below min_lr; or "steps": x0.3 at fixed steps
    min_lr: float = 2.7e-6  # 1e-4 * 0.3^3, rounded as in the paper
    warmup: int = 0  # first steps, over which the learning rate rises from 0
    drops: tuple[float, ...] = (0.6, 0.8, 0.92)  # of "steps", as fractions of all steps
    metric: str = "wmse"
    masks: str = "text"  # or "ones": mask = 1 everywhere
    seed: int = 0
    validate_every: int = 1000


PAPER_STAGES = {"pretrain": Recipe(masks="ones"), "train": Recipe()}


def jsonable(recipe: Recipe) -> dict:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(recipe).items()}


def check(model: Hyperprior, lmbda: float | None, recipe: Recipe):
    """Refuses what cannot be trained, before any time is spent."""
    if model.lambdas is None and not (lmbda is not None and lmbda > 0):
        raise InputError(f"a fixed-rate model needs a positive lmbda, got {lmbda}")
    if model.lambdas is not None and lmbda is not None:
        raise InputError("a variable-rate model trains all its lambdas; leave lmbda out")
    if recipe.crop % model.stride or recipe.crop <= 0:
        raise InputError(f"crop {recipe.crop} is not a multiple of {model.stride}")
    for name, known in (("metric", METRICS), ("masks", ("text", "ones")), ("schedule", ("plateau", "steps")),
                        ("optimizer", ("adam", "muon"))):  # fmt: skip
        if getattr(recipe, name) not in known:
            raise InputError(f"unknown {name} {getattr(recipe, name)!r}; known: {', '.join(known)}")
    if recipe.steps < 1 or recipe.batch < 1:
        raise InputError("steps and batch must be at least 1")
