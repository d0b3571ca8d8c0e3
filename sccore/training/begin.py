"""What a run begins with: a new model with trained weights, or with the KLT of its images."""

from pathlib import Path

import torch

from sccore import klt
from sccore.codecs import starts
from sccore.codecs.checkpoint import load_model
from sccore.codecs.zoo import create_model
from sccore.data.samples import Samples
from sccore.data.streaming import Stream
from sccore.entropy import SliceEntropyModel
from sccore.hyperprior import Hyperprior
from sccore.training.recipe import Recipe, check
from sccore.utils.errors import InputError

Data = Samples | Stream


def begin(
    name: str,
    preset: str,
    data: Data | None,
    recipe: Recipe,
    lmbda: float | None,
    warm_start: Path | str | None,
    out: Path | str | None = None,
    device: str = "cpu",
    from_klt: bool = True,
    progress: bool = True,
    **switches,
) -> Hyperprior:
    """A new model with its start: trained weights, or the KLT of the images.

    Args:
        data: training images; without them all is checked, and there is no KLT, for which :func:`from_images` can be called later.
        lmbda: of a model of one rate, which is "tuned" if it has trained weights to begin with and "fixed" if not;
            None for one of all rates.
        warm_start: a checkpoint, file or name of a shipped one; empty or None: :func:`sccore.klt.start`.
        out: folder of the run; one that is begun there brings its weights along, so that the KLT is not made again.
        from_klt: False leaves a model without trained weights as `create_model` makes it.
    """
    source = load_model(warm_start) if warm_start else None
    if source and source.spec["preset"] != preset:
        raise InputError(f"{warm_start} has the size {source.spec['preset']}, not {preset}; choose another warm_start, or none")
    torch.manual_seed(recipe.seed)
    model = create_model(name, preset, rate="variable" if lmbda is None else "tuned" if source else "fixed", **switches).to(device)
    check(model, lmbda, recipe)
    if source:
        starts.warm_start(model, source, lmbda)
    return from_images(model, data, recipe, lmbda, out, device, progress) if from_klt and data else model


def from_images(
    model: Hyperprior,
    data: Data,
    recipe: Recipe,
    lmbda: float | None,
    out: Path | str | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Hyperprior:
    """The KLT of the images in a model of :func:`begin` that has no trained weights and no run in `out` to go on with."""
    begun = model.meta.get("history") or (out and (Path(out) / "last.pt").exists())
    if isinstance(model, SliceEntropyModel) and not begun:
        klt.start(model, data.batches(recipe.crop, recipe.batch, recipe.seed, device), lmbda, klt.STEPS, progress)
    return model
