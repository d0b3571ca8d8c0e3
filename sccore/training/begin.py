"""What a run begins with: a new model with trained weights, or with the KLT of its images."""

from pathlib import Path

import torch

from sccore import klt
from sccore.codecs import starts
from sccore.codecs.checkpoint import alike, load_model
from sccore.codecs.zoo import create_model
from sccore.data.samples import Samples, load
from sccore.data.streaming import Stream
from sccore.entropy import SliceEntropyModel
from sccore.fixed_point import fixed_point
from sccore.hyperprior import Hyperprior
from sccore.training.recipe import Recipe, check
from sccore.utils.errors import InputError
from sccore.utils.values import cast

Data = Samples | Stream
Sources = Path | str | list[Path | str]  # folders and shards, which are read into memory


def images(given: Data | Sources, what: str, progress: bool = True) -> Data:
    """Images with their masks: as they are, or read from their folders and shards.

    Raises:
        InputError: neither of the two, or they cannot be read; `what` says which are meant.
    """
    if isinstance(given, Data):
        return given
    sources = [given] if isinstance(given, (str, Path)) else given
    if not isinstance(sources, (list, tuple)) or not sources or not all(isinstance(source, (str, Path)) for source in sources):
        of = f" of {type(sources[0]).__name__}" if isinstance(sources, (list, tuple)) and sources else ""
        raise InputError(f"{what} is a path, or a list of paths, or what Samples.of makes of arrays, not {type(given).__name__}{of}")
    return load(*sources, progress=progress)


def check_given(model: Hyperprior, lmbda: float | None, recipe: Recipe):
    """As :func:`sccore.training.recipe.check`, of what may be no model, no number and no recipe at all, or could not be saved and coded with."""
    if not isinstance(model, Hyperprior):
        raise InputError(f"a model of create_model or load_model is trained, and changed by it; not {model!r:.100}")
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe is a sccore.Recipe, not {type(recipe).__name__}; sccore.Recipe(steps=1000, batch=4) makes one")
    alike(model)
    try:
        for name in model.drivers:
            fixed_point(getattr(model, name))
    except (TypeError, OverflowError) as error:
        raise InputError(f"{model.spec['name']}: {error}") from None
    check(model, lmbda if lmbda is None else cast("lmbda", lmbda, float), recipe)


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
    return from_images(model, data, recipe, lmbda, out, device) if from_klt and data else model


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
