"""Records: what was measured, with everything needed to measure it again.

A record is one JSON file, `data/results/<data set>/<codec>.json`; every figure and table of the book is drawn
from such files. It holds the codec, the model and its checkpoint (or a classical codec's settings), the data set with
its hash, software and machine, the command, and a row an image and lambda (or quality). Paths in it are relative to
the project and name no machine.
Sizes are in bytes, rates in bits per pixel, times in seconds.
"""

import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import pandas as pd

from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import replacing

PACKAGES = ("torch", "compressai", "numpy", "pillow", "pytorch-msssim")
DEFAULTS = {"preset": "companion", "sem": "nesft", "prior": "text+structure", "laplacian": "magnitude", "rate": "variable"}


def provenance(model, dataset_dir: Path | str, command: str | None = None, masks_dir: Path | str | None = None) -> dict:
    """All fields of a record but the measurements: model, checkpoint, data set, software, machine, command."""
    import torch

    return {
        "codec": codec_name(model.spec),
        "model": dict(model.spec),
        "checkpoint": _checkpoint(model),
        "threads": torch.get_num_threads(),
    } | surroundings(dataset_dir, command, masks_dir)


def surroundings(dataset_dir: Path | str, command: str | None = None, masks_dir: Path | str | None = None) -> dict:
    """What any codec's record says of where it was made: data set, software, machine, date, command."""
    return {
        "dataset": dataset(dataset_dir, masks_dir),
        "versions": versions(),
        "machine": machine(),
        "date": now(),
        "command": command or command_line(),
    }


def now() -> str:
    """Date and time to the second, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def codec_name(spec: dict) -> str:
    """The model's name and, behind it, every switch that departs from the default: sftip-uniform, wacnn-fixed."""
    return "-".join([spec["name"]] + [spec[key] for key, usual in DEFAULTS.items() if spec.get(key, usual) != usual])


def _checkpoint(model):
    from sccore.codecs.checkpoint import by_identity

    entry = {"file": None, "sha256": model.checkpoint_hash} | model.meta
    if "seconds" in entry:
        entry["hours"] = round(entry["seconds"] / 3600, 3)
    if model.checkpoint_hash:
        with suppress(InputError):  # weights from elsewhere are known by their hash alone
            entry["file"] = relative(by_identity(bytes.fromhex(model.checkpoint_hash)))
    return entry


def dataset(images_dir: Path | str, masks_dir: Path | str | None = None) -> dict:
    """Name, number of images and hash of a folder, and the hash of its masks."""
    folder = Path(images_dir).resolve()
    return {
        "name": folder.parent.name if folder.name == "images" else folder.name,
        "images": len(_files(folder)),
        "sha256": folder_hash(folder),
        "masks_sha256": masks_dir and folder_hash(masks_dir),
    }


def folder_hash(folder: Path | str) -> str:
    """SHA-256 over names and bytes of a folder's images: that of what `sha256sum *` prints for them, in byte order."""
    digest = hashlib.sha256()
    for path in _files(folder):
        with open(path, "rb") as file:
            digest.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n".encode())
    return digest.hexdigest()


def _files(folder):
    from sccore.data.images import image_files

    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    return sorted(image_files(folder), key=lambda path: path.name.encode())


def versions() -> dict[str, str]:
    """Versions of Python, sccore (`git describe` in a clone) and its libraries, and a hash of sccore's sources."""
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        sources.update(path.name.encode() + b"\0" + path.read_bytes())
    return {
        "python": platform.python_version(),
        "sccore": _code_version(),
        "source": sources.hexdigest()[:16],
        **{package: metadata.version(package) for package in PACKAGES},
    }


def _code_version():
    if (paths.ROOT / ".git").exists():
        describe = ["git", "-C", str(paths.ROOT), "describe", "--always", "--tags", "--dirty"]
        try:
            return subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass  # no git, or no commit yet
    return metadata.version("sccore")


def machine() -> str:
    """Processor and number of cores, without the machine's name: 'AMD EPYC, 2 cores, Linux'."""
    try:
        processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())[1].strip()
    except (OSError, TypeError):  # not Linux, or no such line in it
        processor = platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}"


def command_line() -> str:
    """The running command with paths relative to the project, or what stands for it inside a notebook."""
    program, *arguments = sys.argv
    name = Path(program).name
    if name.startswith("ipykernel"):
        return "in a notebook"
    if name == "__main__.py":
        name = f"python -m {Path(program).parent.name}"
    return shlex.join(name.split() + [_shown(argument) for argument in arguments])


def _shown(argument):
    option, equals, value = argument.rpartition("=")
    return option + equals + relative(value) if Path(value).is_absolute() else argument


def relative(path: Path | str) -> str:
    """A path as records show it: from the project's root, or the mere name of what lies outside."""
    path = Path(path).resolve()
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else path.name


def save_record(path: Path | str, record: dict) -> None:
    """Write a record so that a kill at any moment leaves the old file or the new one, never a part."""
    with replacing(path) as part:
        part.write_text(json.dumps(record, indent=1))


def load_record(path: Path | str) -> dict:
    """Read a record; a file that is missing, damaged or something else raises InputError with its name."""
    try:
        record = json.loads(Path(path).read_text())
        rows, _ = record["images"], record["codec"]
        if not all({"name", "bpp", "psnr"} <= row.keys() for row in rows):
            raise KeyError("name, bpp or psnr of an image")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # JSON or UTF-8
        raise InputError(f"{path}: a damaged record ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a record of measurements ({error})") from error
    return record


def load_dataset(name: str) -> pd.DataFrame:
    """All records of a data set as one table, a row an image and lambda, the codec in column `codec`.

    A measurement that does not exist (text PSNR without text) is NaN. Two records that hold the same codec,
    image and lambda raise InputError: a mean over them would count that image twice.
    """
    folder = paths.RESULTS / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in paths.RESULTS.glob("*") if path.is_dir())) or "none"
        raise InputError(f"no records of data set {name!r} in {relative(paths.RESULTS)}; there are: {known}")
    rows = []
    for path in sorted(folder.glob("*.json")):
        record = load_record(path)
        rows += [{"codec": record["codec"], **row, "record": path.name} for row in record["images"]]
    if not rows:
        raise InputError(f"no measurements in {relative(folder)}")
    frame = pd.DataFrame(rows)
    numbers = frame.columns.difference(["codec", "name", "record"])
    frame[numbers] = frame[numbers].apply(pd.to_numeric)
    point = ["codec", "name", *settings(frame)]
    twice = frame[frame.duplicated(point, keep=False)]
    if len(twice):
        files = " and ".join(sorted(set(twice["record"])))
        raise InputError(f"{files} in {relative(folder)}: {twice['codec'].iloc[0]} is measured twice at the same point")
    return frame.drop(columns="record")


def settings(frame: pd.DataFrame) -> list[str]:
    """The columns that tell the points of a codec's curve apart: lambda, or the quality of a classical codec."""
    return [column for column in ("lmbda", "quality") if column in frame and frame[column].notna().any()]
