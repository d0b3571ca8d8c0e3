"""Provenance: what a record says of where it was made, so that it can be made again.

Model and checkpoint, the data set with its hash, software and machine, date and command. Paths are relative to the
project and name no machine.
"""

import hashlib
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from sccore import __version__
from sccore.utils import paths
from sccore.utils.errors import InputError
from sccore.utils.files import file_hash

PACKAGES = ("torch", "compressai", "numpy", "pillow", "pytorch-msssim")


def provenance(model, dataset_dir: Path | str, command: str | None = None, masks_dir: Path | str | None = None) -> dict:
    """All fields of a record but the measurements: model, checkpoint, data set, software, machine, command."""
    import torch

    from sccore.codecs.zoo import codec_name

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


def _checkpoint(model):
    from sccore.codecs.checkpoint_files import by_identity

    entry = {"file": None, "sha256": model.checkpoint_hash} | model.meta
    if "seconds" in entry:
        entry["hours"] = round(entry["seconds"] / 3600, 3)
    if model.checkpoint_hash:
        with suppress(InputError):  # weights from elsewhere are known by their hash alone
            entry["file"] = relative(by_identity(bytes.fromhex(model.checkpoint_hash)))
    return entry


def dataset(images_dir: Path | str, masks_dir: Path | str | None = None) -> dict:
    """Name, number of images and hash of a folder, and the hash of its masks."""
    return {
        "name": dataset_name(images_dir),
        "images": len(_files(images_dir)),
        "sha256": folder_hash(images_dir),
        "masks_sha256": masks_dir and folder_hash(masks_dir),
    }


def dataset_name(images_dir: Path | str) -> str:
    """Of a folder of images: its own, or its parent's if it is called images."""
    folder = Path(images_dir).resolve()
    return folder.parent.name if folder.name == "images" else folder.name


def folder_hash(folder: Path | str) -> str:
    """:func:`files_hash` of a folder's images, in byte order."""
    return files_hash(_files(folder))


def files_hash(files: Iterable[Path]) -> str:
    """SHA-256 over names and bytes of files: that of what `sha256sum *` prints for them."""
    return hashlib.sha256("".join(f"{file_hash(path)}  {path.name}\n" for path in files).encode(errors="surrogateescape")).hexdigest()


def _files(folder):
    from sccore.data.images import image_files

    readable = [path for path in image_files(Path(folder)) if path.is_file() and os.access(path, os.R_OK)]  # of the others a record says so
    return sorted(readable, key=lambda path: os.fsencode(path.name))


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
    clone = paths.PACKAGE.parent
    if (clone / ".git").exists():
        describe = ["git", "-C", str(clone), "describe", "--always", "--tags", "--dirty"]
        try:
            return subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass  # no git, or no commit yet
    return __version__


def machine() -> str:
    """Processor and number of cores, without the machine's name: 'AMD EPYC, 2 cores, Linux'."""
    try:
        processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))[1].strip()
    except (OSError, TypeError):  # not Linux, or no such line in it
        processor = platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}"


def maker(device: str) -> dict[str, str]:
    """What weights that are trained here say of it: machine, and code as in :func:`versions`."""
    import torch

    known = versions()
    return {
        "machine": torch.cuda.get_device_name(device) if "cuda" in device else machine(),
        "code": known["sccore"],
        "source": known["source"],
    }


def file_name(machine: str) -> str:
    """Of a machine, as a part of a record's name: "amd-epyc-2-cores-linux"."""
    return re.sub("[^a-z0-9]+", "-", machine.lower()).strip("-")


def command_line() -> str:
    """The running command, its paths as :func:`relative` shows them where they could lead outside; or what stands for it inside a notebook."""
    program, *arguments = sys.argv
    name = Path(program).name
    if name.startswith("ipykernel"):
        return "in a notebook"
    if name == "__main__.py":
        name = f"python -m {Path(program).parent.name}"
    return shlex.join(name.split() + [_shown(argument) for argument in arguments])


def _shown(argument):
    option, equals, value = argument.rpartition("=")
    return option + equals + relative(value) if Path(value).is_absolute() or ".." in Path(value).parts else argument


def relative(path: Path | str) -> str:
    """A path as records show it: from the project's root, or the mere name of what lies outside."""
    path = Path(path).resolve()
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else path.name
