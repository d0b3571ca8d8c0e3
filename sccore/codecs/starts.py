"""Weights that a model begins with: another model's, or a published checkpoint's."""

import math
from pathlib import Path

import torch
from torch import nn

from sccore.codecs.checkpoint import weights_of
from sccore.hyperprior import Hyperprior
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import file_hash
from sccore.wacnn import WACNN


def warm_start(model: Hyperprior, source: Hyperprior, lmbda: float | None = None) -> Hyperprior:
    """Starts `model` from another model's weights; what the other lacks (SEM sites, gains) keeps its identity start.

    A tuned model takes the gains of a variable-rate one at `lmbda` and so begins as that model is there. A fixed-rate
    one leaves them behind: it begins near the middle rate, whose gains began as 1.

    Raises:
        InputError: the source has parts that the model lacks, or other sizes.
    """
    state = weights_of(source)
    gains = {k: v for k, v in state.items() if k.startswith(("gain_y.", "gain_z."))}
    if model.spec["rate"] == "fixed":
        state = {k: v for k, v in state.items() if k not in gains}
    elif model.spec["rate"] == "tuned" and source.lambdas:
        level = source.level(lmbda).item()
        state |= {k: torch.lerp(v[int(level)], v[math.ceil(level)], level % 1)[None] for k, v in gains.items()}
    own = model.state_dict()
    wrong = [k for k, v in state.items() if k not in own or own[k].shape != v.shape]
    if wrong:
        raise InputError(f"cannot start {model.spec} from {source.spec}: {wrong[0]} does not fit")
    nn.Module.load_state_dict(model, state, strict=False)
    stage = {k: source.meta.get(k) for k in ("steps", "seconds", "recipe", "data", "lmbda")}
    stage |= {"model": source.spec, "sha256": source.checkpoint_hash}
    model.meta["history"] = [*source.meta.get("history", []), stage]
    return model


def load_published(model: WACNN, path: Path | str) -> WACNN:
    """Weights of a published WACNN checkpoint (a .pth or .pth.tar with the names of its release), tensors only."""
    import sccore.utils.torchvision_ops  # noqa: F401  which this part of CompressAI imports

    # isort: split
    from compressai.models.utils import remap_old_keys

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint") from None
    except Exception as error:
        raise InputError(f"{path}: not readable as tensors ({first_line(error)})") from None
    state = state.get("state_dict", state)
    state = {k.removeprefix("module."): v for k, v in state.items()}
    try:
        model.load_state_dict(remap_old_keys("entropy_bottleneck", state))
    except (RuntimeError, KeyError) as error:
        reason = (str(error).splitlines()[1:] or [str(error)])[0].strip()  # the first name that does not fit
        raise InputError(f"{path}: not a WACNN checkpoint ({reason:.200})") from None
    model.update(force=True)
    model.checkpoint_hash = file_hash(path)
    return model
