"""Memory for tensors that is kept for the next one.

On a processor a network asks for thousands of tensors, many of some MB. glibc gives such memory back to the system as soon
as it is free, and the next operator pays for every page anew. tcmalloc (gperftools) keeps it, and finds it faster. An
allocator is chosen when a process starts: the command line starts itself anew once, and papermill starts the notebook's
kernel with it. Where there is no tcmalloc, or in a notebook that somebody opened, glibc is told to keep memory. Files
and pictures are the same with either.
"""

import ctypes
import ctypes.util
import os
import sys
from pathlib import Path

NAME = "tcmalloc_minimal"
QUIET = "TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD"  # bytes; else it reports every data set that is read into memory
BEFORE = "SCCORE_LD_PRELOAD"  # LD_PRELOAD of the process that was replaced
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
MMAP_MOST = 32 << 20  # bytes; glibc takes no larger threshold


def start_anew():
    """Replaces this process by the same command line with tcmalloc, once; where there is none, keeps memory all the same.

    For a program's first line: what it did before is done again. Programs that it starts are not concerned.
    """
    if (before := os.environ.pop(BEFORE, None)) is not None:  # that was done
        os.environ["LD_PRELOAD"] = before
    elif variables := environment():
        os.environ |= {**variables, BEFORE: os.environ.get("LD_PRELOAD", "")}
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    keep_memory()


def environment() -> dict[str, str]:
    """The variables with which a process starts with tcmalloc; none if it is not there, or asked for already."""
    others = os.environ.get("LD_PRELOAD", "")
    if sys.platform != "linux" or "malloc" in others or (library := find()) is None:
        return {}
    return {"LD_PRELOAD": f"{library}:{others}".strip(":"), QUIET: os.environ.get(QUIET, str(1 << 62))}


def find() -> str | None:
    """tcmalloc of this environment (conda install gperftools), or of the system (apt install libtcmalloc-minimal4)."""
    own = Path(sys.prefix) / "lib" / f"lib{NAME}.so.4"
    return str(own) if own.exists() else ctypes.util.find_library(NAME)


def name() -> str:
    """What serves this process: "tcmalloc", "jemalloc" or "mimalloc" if one was put in, else "system"."""
    maps = Path("/proc/self/maps")
    loaded = maps.read_text(encoding="utf-8") if maps.exists() else ""
    return next((known for known in ("tcmalloc", "jemalloc", "mimalloc") if f"lib{known}" in loaded), "system")


def keep_memory():
    """Tells glibc to keep what is freed; every other allocator is left alone."""
    if sys.platform == "linux" and name() == "system" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_MOST)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
