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
from sccore.codecs.checkpoint_files import FORMAT, base_of, file_of, read_header
from sccore.codecs.models import MODELS, build
from sccore.context import tables_in
from sccore.hyperprior import Hyperprior
from sccore.rans import check_tables
from sccore.sem import PARTS
from sccore.utils.beside import Beside, side_by_side
from sccore.utils.device import chosen
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import file_hash, replacing

TABLE = "gaussian_conditional._quantized_cdf"  # (scales, longest) in the model, rows of their own length in a file
FURTHER = TABLE + ".further"  # of a file with a base: rows behind those of the base
LENGTHS = "gaussian_conditional._cdf_length"
LARGEST_TABLE = 2**24  # entries, all rows as long as the longest; some twenty times what the shipped weights have
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
        InputError: a model that does not know what it is, is something else by now, or has weights that nothing could be coded with.

    Example:
        >>> sccore.save_model(sccore.create_model("wacnn"), "mine.safetensors", lmbda=0.0067).name
        'mine.safetensors'
    """
    path = Path(path)
    try:
        written = content(model, compact, base, **meta)
    except OverflowError as error:
        raise InputError(f"{path}: not written, the weights are too large or not finite ({first_line(error)})") from None
    with replacing(path) as part:
        part.write_bytes(written)
    return path


def content(model: Hyperprior, compact: bool = True, base: Path | str | None = None, **meta) -> bytes:
    """What :func:`save_model` writes."""
    copy = alike(model)
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
    return save({k: v.contiguous() for k, v in state.items()}, {"sccore": json.dumps(header, default=_plain)})


def alike(model: Hyperprior) -> Hyperprior:
    """A new model of the same spec, without weights, as :func:`load_model` would make it.

    Raises:
        InputError: the model has no spec, or other parts or settings than such a one; says which.
    """
    if not model.spec:
        raise InputError(
            "only a model of create_model knows its name and size and can be saved; make one of this size and give it these "
            "weights: load_state_dict(model.state_dict())"
        )
    with Unfilled():
        usual = build(**model.spec)
    own, known = (dict(one.named_modules()) for one in (model, usual))
    parts = [(name or "the model", described(own.get(name)), described(known.get(name))) for name in own | known]
    parts += [(key, str(getattr(model, key, None)), str(getattr(usual, key, None))) for key in ("prior", "laplacian", "centred", "lambdas")]
    for where, here, there in parts:
        if here != there:
            raise InputError(
                f"{where} is {here}, in a {usual.spec['name']} it is {there}, as which it would be loaded. "
                "A class of your own can be put into sccore.codecs.models.MODELS"
            )
    return usual


def described(part: nn.Module | None) -> str:
    """A layer in words, with the shapes of its own weights, without the layers inside it."""
    if part is None:
        return "missing"
    shapes = ", ".join(f"{name} {tuple(p.shape)}" for name, p in part.named_parameters(recurse=False))
    return f"{type(part).__name__}({', '.join(filter(None, (part.extra_repr(), shapes)))})"


def _plain(value):
    """Numbers of numpy and torch as JSON holds them."""
    if not hasattr(value, "tolist"):
        raise InputError(f"a checkpoint holds what JSON can hold, not {type(value).__name__}: {value!r}")
    return value.tolist()


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


def tensors(path: Path | str, base: Path | None = None, without: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors of a checkpoint as they are kept, but for these parts; those that it leaves to its base are the base's."""
    with safe_open(path, "pt") as file:
        own = {k: file.get_tensor(k) for k in file.keys() if not k.startswith(without)}
    if base is None:
        return own
    whole = tensors(base, without=without) | own
    whole[TABLE] = torch.cat([whole[TABLE], whole.pop(FURTHER, whole[TABLE][:0])])
    return whole


@side_by_side()
def load_model(path: Path | str = "sftip", device: str | torch.device = "cpu", decoder: bool = False) -> Hyperprior:
    """A model from a checkpoint, in evaluation mode and ready to code.

    Args:
        path: of a file, or the name of a shipped checkpoint; "sftip" is the paper's model at the companion's size,
            "sftip-interlaced" what the codec takes unless told otherwise.
        device: where its weights are put, "cpu" or "cuda".
        decoder: without what an encoder alone needs, which takes less time and memory; the model then decodes and does nothing else.

    Raises:
        InputError: missing, damaged or foreign file, weights that do not fit what the file says it is, or a device that is not here.

    Example:
        >>> sccore.load_model().lambdas
        (0.0018, 0.0035, 0.0067, 0.013, 0.025)
    """
    path, device = file_of(path), chosen(device)
    header = read_header(path)
    base = base_of(path, header)
    if (name := str(header["spec"].get("name"))) not in MODELS:
        raise InputError(f"{path}: of a codec {name!r}, which is not known here; its class belongs into sccore.codecs.models.MODELS first")
    try:
        left_out = MODELS[name].encoder if decoder else ()
        content = Beside(lambda: unpack(tensors(path, base, tuple(f"{part}." for part in left_out))))
        with Unfilled():
            model = build(**header["spec"])
        for part in left_out:
            owner, _, last = part.rpartition(".")
            delattr(model.get_submodule(owner), last)
        state = content.result()
        if not 0 < state[LENGTHS].numel() * int(state[LENGTHS].max()) <= LARGEST_TABLE:
            raise ValueError("impossible lengths of the coder's tables")
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
