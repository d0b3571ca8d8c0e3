"""Files that are whole at every moment, and folders that belong to one process at a time."""

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

HOLDER = "holder"  # the file in a locked folder that says who works there


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    A kill or a loss of power at any moment leaves the old file or the new one. What else a kill leaves has another
    suffix, so that nobody who looks for files of a kind takes it for one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        handle = os.open(part, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def lock(folder: Path) -> Iterator[bool]:
    """Whether this process alone may work on a folder; held until the end of the block or of the process, however that ends.

    If not, :func:`holder` says who does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(folder / "lock").acquire(timeout=0)
    except Timeout:
        yield False
        return
    with held:
        (folder / HOLDER).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield True


def holder(folder: Path) -> str:
    """Who works on a folder that is locked: "process 4711 on tower", or "another process" if that cannot be read."""
    try:
        return (folder / HOLDER).read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"


def file_hash(path: Path | str) -> str:
    """sha256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
