"""Checkpoints: one safetensors file that says what it is.

Weights are kept small: see :func:`pack`. The coder's tables are kept with
them, because a decoder must use the very tables of the encoder and cannot rely on computing them again to the last bit.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.overrides import TorchFunctionMode

from sccore import __version__
from sccore.codecs.models import build
from sccore.context import tables_in
from sccore.hyperprior import Hyperprior
from sccore.rans import check_tables
from sccore.sem import PARTS
from sccore.utils import paths
from sccore.utils.beside import Beside, side_by_side
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash, regular, replacing

FORMAT = "sccore-3"
DEFAULT = "sftip-interlaced"  # the weights that the codec takes unless others are named
TABLE = "gaussian_conditional._quantized_cdf"  # (scales, longest) in the model, rows of their own length in a file
FURTHER = TABLE + ".further"  # of a file with a base: rows behind those of the base
LENGTHS = "gaussian_conditional._cdf_length"
SCALE = ".scale"  # behind the name of a weight of eight bits: its scale, one for each index of the first dimension


def save_model(model: Hyperprior, path: Path | str, compact: bool = True, base: Path | str | None = None, **meta) -> Path:
    """Writes weights, tables, `model.spec` and meta data (steps, recipe, lmbda, data hash ...) atomically.

    Args:
        model: made by :func:`sccore.codecs.zoo.create_model`.
        path: of the file, .safetensors; its folder is made.
        compact: as :func:`pack`; the tables are built from the weights as they are kept. False: single precision.
        base: a checkpoint that this model went on from with part of its weights held; what is the same there is not
            written again, and the file names it by its sha256.
        meta: added to `model.meta`; anything JSON can hold.

    Returns:
        the path.

    Raises:
        InputError: a model that does not know what it is.

    Example:
        >>> sccore.save_model(sccore.create_model("wacnn"), "mine.safetensors", lmbda=0.0067).name
        'mine.safetensors'
    """
    path = Path(path)
    if not model.spec:
        raise InputError("only a model of create_model can be saved: it knows its name and size")
    copy = build(**model.spec)
    weights = weights_of(model)
    kept = pack(model, weights) if compact else weights
    nn.Module.load_state_dict(copy, unpack(kept), strict=False)
    copy.update(force=True, update_quantiles=True)  # exact quantiles, where the auxiliary loss only came near
    exact = weights_of(copy)
    state = copy.state_dict() | kept | {name: exact[name] for name in exact if name.endswith("quantiles")}
    state[TABLE] = torch.cat([row[:n] for row, n in zip(state[TABLE], state[LENGTHS])])
    header = {"format": FORMAT, "spec": model.spec, "meta": {**model.meta, **meta, "sccore": __version__}}
    if base:
        header["base"], there = file_hash(base), tensors(Path(base))
        if torch.equal(state[TABLE][: len(there[TABLE])], there[TABLE]):  # further tables stand behind those of the base
            state[FURTHER] = state.pop(TABLE)[len(there[TABLE]) :].clone()
        state = {name: v for name, v in state.items() if name not in there or not torch.equal(v, there[name])}
    with replacing(path) as part:
        part.write_bytes(save({k: v.contiguous() for k, v in state.items()}, {"sccore": json.dumps(header)}))
    return path


def weights_of(model: Hyperprior) -> dict[str, Tensor]:
    """A model's parameters by name, float32 copies; no tables, no other buffers."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters()}


def pack(model: Hyperprior, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as a file keeps them.

    Eight bits and a scale for the kernels of the networks that drive the entropy coder and of the structural
    enhancement; single precision for the entropy bottleneck, the gains and GDN, which are few; half for the rest, the
    transforms among them, whose errors are the picture's.
    """
    kept = {}
    for name, value in weights.items():
        part, last = name.split(".")[0], name.split(".")[-1]
        if part in ("entropy_bottleneck", "gain_y", "gain_z") or last in ("beta", "gamma"):
            kept[name] = value
        elif part in (*model.drivers, *PARTS) and value.ndim == 4:
            scale = value.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12) / 127
            kept[name], kept[name + SCALE] = (value / scale).round().to(torch.int8), scale
        else:
            kept[name] = value.half()
    return kept


def unpack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """float32 weights of what :func:`pack` made; anything else passes."""
    weight = lambda name, v: v.float() * state[name + SCALE] if v.dtype == torch.int8 else v.float() if v.is_floating_point() else v
    return {name: weight(name, v) for name, v in state.items() if not name.endswith(SCALE)}


def tensors(path: Path | str, base: Path | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint as they are kept; those that it leaves to its base are the base's."""
    with safe_open(path, "pt") as file:
        own = {k: file.get_tensor(k) for k in file.keys()}
    if base is None:
        return own
    whole = tensors(base) | own
    whole[TABLE] = torch.cat([whole[TABLE], whole.pop(FURTHER, whole[TABLE][:0])])
    return whole


def base_of(path: Path | str, header: dict) -> Path | None:
    """The checkpoint that a file with this header leaves part of its weights to.

    Raises:
        InputError: it is not at hand, or has a base itself.
    """
    if "base" not in header:
        return None
    try:
        identity = bytes.fromhex(header["base"])
    except (TypeError, ValueError):
        identity = b""
    if len(identity) != 32:
        raise InputError(f"{path}: damaged (its base is not named by a sha256)")
    if "base" in read_header(base := by_identity(identity, Path(path).stem)):
        raise InputError(f"{path}: its base {base.name} has a base itself")
    return base


def read_header(path: Path | str) -> dict:
    """{"spec", "meta"} of a checkpoint, without its weights, and "base" if it has one."""
    regular(path)
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("sccore", "{}"))
    except FileNotFoundError:
        known = ", ".join(p.stem for p in sorted(paths.CHECKPOINTS.glob("*.safetensors")))
        raise InputError(f"{path}: no such checkpoint; shipped: {known or 'none'}") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged or not a checkpoint ({first_line(error)})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path}: not a sccore checkpoint")
    if not all(isinstance(header.get(part), dict) for part in ("spec", "meta")):
        raise InputError(f"{path}: damaged (its header does not say what it is)")
    return header


def file_of(name: Path | str) -> Path:
    """What :func:`load_model` reads: a file, or the shipped checkpoint of that name."""
    named = paths.CHECKPOINTS / f"{name}.safetensors"
    return named if not Path(name).is_file() and named.exists() else Path(name)


@side_by_side()
def load_model(path: Path | str = "sftip", device: str | torch.device = "cpu") -> Hyperprior:
    """A model from a checkpoint, in evaluation mode and ready to code.

    Args:
        path: of a file, or the name of a shipped checkpoint; "sftip" is the paper's model at the companion's size.
        device: where its weights are put, "cpu" or "cuda".

    Raises:
        InputError: missing, damaged or foreign file, or weights that do not fit what the file says it is.

    Example:
        >>> sccore.load_model().lambdas
        (0.0018, 0.0035, 0.0067, 0.013, 0.025)
    """
    path = file_of(path)
    header = read_header(path)
    base = base_of(path, header)
    try:
        content = Beside(lambda: unpack(tensors(path, base)))
        with Unfilled():
            model = build(**header["spec"])
        state = content.result()
        state[TABLE] = pad_sequence(state[TABLE].split(state[LENGTHS].tolist()), batch_first=True)
        state |= {name: value for name, value in model.state_dict().items() if name.endswith("relative_position_index")}  # made, never read
        model.load_state_dict(state, assign=True)
        check_numbers(model)
        model.eval().to(device).update()  # tables are there already; builds the fixed-point copies, on the device
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: weights do not fit the model ({first_line(error)})") from None
    model.meta, model.checkpoint_hash = header["meta"], file_hash(path)
    return model


class Unfilled(TorchFunctionMode):
    """Leaves out the random numbers that a new model starts from, which take longer than reading its weights from a file."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", None) == nn.init.__name__ or function in (Tensor.normal_, Tensor.uniform_):
            return (*args, *(kwargs or {}).values())[0]
        return function(*args, **(kwargs or {}))


def check_numbers(model: Hyperprior):
    """Refuses weights that are not finite and tables that the decoder could not follow.

    Raises:
        ValueError: says which.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and value.numel() and not all(end.isfinite() for end in value.aminmax()):
            raise ValueError(f"{name} is not finite")
    scales = model.gaussian_conditional.scale_table
    if scales.ndim != 1 or len(scales) < 2 or scales.min() <= 0 or (scales.diff() <= 0).any():
        raise ValueError("the scales of the coder's tables do not ascend")
    for part, rows in ((model.gaussian_conditional, tables_in(model.gaussian_conditional)), (model.entropy_bottleneck, model.z_ch)):
        check_tables(part.quantized_cdf, part.cdf_length, part.offset, rows)


def first_line(error: Exception) -> str:
    return f"{(str(error).splitlines() or [type(error).__name__])[0]:.200}"


def shipped() -> dict[Path, dict]:
    """Header of every checkpoint in data/checkpoints."""
    return {path: read_header(path) for path in sorted(paths.CHECKPOINTS.glob("*.safetensors"))}


def find(model: str = "sftip", lmbda: float | None = None, prior: str = "text+structure") -> Path:
    """The shipped checkpoint for a model and lambda: one trained for that lambda, else the one that serves all of them.

    Shipped files are named by their run in :mod:`sccore.training.plan`: sftip, sftip-0.0035, sftip-uniform.

    Raises:
        InputError: none is shipped; says which are.
    """
    stem = model if prior == "text+structure" else f"{model}-{prior}"
    for name in (f"{stem}-{lmbda}", stem):
        if (path := paths.CHECKPOINTS / f"{name}.safetensors").exists():
            return path
    names = ", ".join(p.stem for p in shipped()) or "none"
    raise InputError(f"no shipped weights of {stem}{f' for lmbda {lmbda}' if lmbda else ''}; shipped: {names}")


def by_identity(identity: bytes, near: str = "") -> Path:
    """The checkpoint whose sha256 starts with `identity`, among the shipped ones and the local runs.

    Files are read to be compared: first those whose name begins the name `near`, small ones before large ones.
    """
    files = (*paths.CHECKPOINTS.glob("*.safetensors"), *paths.RUNS.glob("*/model.safetensors"))
    for path in sorted(files, key=lambda path: (not near.startswith(path.stem), path.stat().st_size)):
        if bytes.fromhex(file_hash(path))[: len(identity)] == identity:
            return path
    raise InputError(f"needs weights {identity.hex()}, which are not at hand; name their file with --checkpoint")
