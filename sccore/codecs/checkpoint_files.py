"""Which file holds the weights that a name, a model or a sha256 means, and what it says of itself; torch is not needed."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sccore.utils import paths
from sccore.utils.errors import InputError, first_line
from sccore.utils.files import file_hash, regular

FORMAT = "sccore-3"
DEFAULT = "sftip-interlaced"  # the weights that the codec takes unless others are named
CODEC = "sccore"  # what is measured under this name are the files that the command writes: those weights, and a palette
LIGHT = "wacnn-interlaced"  # the baseline with such a context: less to compute


def read_header(path: Path | str) -> dict:
    """{"spec", "meta"} of a checkpoint, without its weights, and "base" if it has one."""
    regular(path)
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder, not a checkpoint")
    try:
        with safe_open(path, "np") as file:
            header = json.loads((file.metadata() or {}).get("sccore", "{}"))
    except FileNotFoundError:
        known = ", ".join(p.stem for p in sorted(paths.CHECKPOINTS.glob("*.safetensors")))
        raise InputError(f"{path}: no such checkpoint; shipped: {known or 'none'}") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged or not a checkpoint ({first_line(error)})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path}: not a sccore checkpoint")
    if not all(isinstance(header.get(part), dict) for part in ("spec", "meta")) or not sound(header["meta"]):
        raise InputError(f"{path}: damaged (its header does not say what it is)")
    return header


def sound(meta: dict) -> bool:
    """Whether what coding reads of a checkpoint's meta data has its type: lambda, and the recipes of the stages."""
    stages = [meta, *history] if isinstance(history := meta.get("history", []), list) else [None]
    of = lambda stage: isinstance(stage, dict) and isinstance(stage.get("recipe"), dict | None)
    return isinstance(meta.get("lmbda"), int | float | None) and all(map(of, stages))


def file_of(name: Path | str) -> Path:
    """What :func:`sccore.codecs.checkpoint.load_model` reads: a file, or the shipped checkpoint of that name."""
    named = paths.CHECKPOINTS / f"{name}.safetensors"
    return named if not Path(name).is_file() and named.exists() else Path(name)


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


def called(identity: bytes) -> str:
    """Weights as a user may know them: "d3bb2839 (sftip-interlaced.safetensors)"; without a file if they are not at hand."""
    try:
        return f"{identity.hex()} ({by_identity(identity).name})"
    except InputError:
        return identity.hex()


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
