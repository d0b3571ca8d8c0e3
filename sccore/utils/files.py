"""Files that are whole at every moment, and folders that belong to one process at a time."""

import functools
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sccore.utils import paths
from sccore.utils.errors import InputError, first_line

HOST = platform.node()[:40]
HOLDER = "holder"  # the file in a locked folder that says who works there


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A path to write to; what is there takes the place of `path` when the block ends without an error.

    A kill or a loss of power at any moment leaves the old file or the new one. What else a kill leaves has another
    suffix, so that nobody who looks for files of a kind takes it for one, and is removed by the next process that writes there. Several
    may write one file at once: it is what one of them wrote, the last to end. A link stays and its target is replaced, a file
    keeps its mode; a device or a pipe is written through.

    Raises:
        InputError: as :func:`writable`; the disk is full, or anything else of it fails.
    """
    target = writable(path)
    before = target.stat() if target.exists() else None
    through = before is not None and not stat.S_ISREG(before.st_mode)
    with tempfile.TemporaryDirectory() if through else nullcontext(target.parent) as folder:
        part = Path(folder) / f".{target.name[:40]}.{HOST}.{os.getpid()}.{threading.get_ident()}.part"
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            _remove_left(part.parent)
            yield part
            if through:
                with open(part, "rb") as source, open(target, "wb") as device:
                    shutil.copyfileobj(source, device)
                return
            if part.stat().st_nlink == 1:  # else it is a link to a file of the user's
                with open(part, "r+b") as file:
                    os.fsync(file.fileno())
                if before:
                    os.chmod(part, stat.S_IMODE(before.st_mode))
            os.replace(part, target)
        except (OSError, RuntimeError) as error:  # torch's are of the latter kind
            other = getattr(error, "filename", None)
            name = path if other is None or str(part) == str(other) else other
            raise InputError(f"{name}: cannot be written ({getattr(error, 'strerror', None) or first_line(error)})") from None
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Says of the state of a run, if it cannot be taken up again, that it is damaged and what to do."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: damaged ({first_line(error)}); delete it to start anew") from None


@functools.cache
def _remove_left(folder: Path):
    """Removes what writers left in a folder that were killed on this machine; once a process, for a folder may be large."""
    for left in folder.glob(".*.part"):
        *name, process, _, _ = left.name.split(".")
        if ".".join(name).endswith(HOST) and process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):  # another has removed it; on Windows, it is open
                left.unlink()


def _runs(process: int) -> bool:
    """Whether a process is there; on Windows, where files that are open cannot be removed, unknown and False."""
    if sys.platform == "win32":
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    with suppress(OSError, IndexError):  # Linux also lists those that have ended and whose parent has not asked how
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    return True


def writable(path: Path | str) -> Path:
    """Where a file of this name will lie, links followed; refuses what :func:`replacing` could not replace, before any work.

    Raises:
        InputError: it is a folder, a disk, read-only, or in a folder that is; a part of the path is a file.
    """
    target = Path(os.path.realpath(path))
    try:
        kind = target.stat().st_mode if os.path.lexists(target) else None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    if kind is None or stat.S_ISREG(kind):
        writable_folder(target.parent)
    elif not (stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)):
        raise InputError(f"{path}: is {'a folder' if stat.S_ISDIR(kind) else 'no regular file'}, and is not replaced")
    if kind is not None:
        _refuse_read_only(target, kind)
    return target


def writable_folder(path: Path | str) -> Path:
    """The folder, or where it will be made, links followed.

    Raises:
        InputError: it is read-only, or in a folder that is; a part of the path is a file.
    """
    target = Path(os.path.realpath(path))
    try:
        above = next(folder for folder in (target, *target.parents) if os.path.lexists(folder))
        kind = above.stat().st_mode
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    if not stat.S_ISDIR(kind):
        raise InputError(f"{path}: {above} is a file, not a folder" if above != target else f"{path}: is a file, not a folder")
    _refuse_read_only(above, kind)
    return target


def _refuse_read_only(path, mode):
    if not (mode & 0o222 and os.access(path, os.W_OK)):  # root may write all the same, but was asked not to
        raise InputError(f"{path}: is read-only")


def cached(name: str) -> Path:
    """Where a file lies that can be made again: in data/runs/index; in a read-only checkout, in the user's cache, or the system's.

    Raises:
        InputError: it is nowhere, and no place can be written.
    """
    places = [folder / "index" for folder in (paths.RUNS, paths.user_folder("cache"), paths.TEMPORARY)]
    if there := next((folder / name for folder in places if (folder / name).is_file()), None):
        return there
    for folder in places:
        with suppress(InputError):
            return writable_folder(folder) / name
    raise InputError(f"{' and '.join(map(str, places))} cannot be written; TMPDIR names another folder for temporary files")


def regular(path: Path | str, name: str | None = None):
    """Refuses a pipe and a device, which may never end, before they are opened; what is not there is for the reader to say.

    Raises:
        InputError: neither a file nor a folder.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise InputError(f"{name or path}: not a regular file; `-` reads standard input, where a command takes it")


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


@contextmanager
def alone(folder: Path | str, name: Path | str, doing: str) -> Iterator[None]:
    """A folder for this process alone, until the end of the block.

    Args:
        name: what the user calls it.
        doing: what the holder does and what to do about it, to end the sentence.

    Raises:
        InputError: another process holds it, or it cannot be written to; says who, or why.
    """
    with ExitStack() as stack:
        try:
            mine = stack.enter_context(lock(Path(folder)))
        except OSError as error:
            raise InputError(f"{name}: cannot be written ({error.strerror or error})") from None
        if not mine:
            raise InputError(f"{name}: {holder(Path(folder))} {doing}")
        yield


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
