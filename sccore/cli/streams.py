"""Standard input, output and error, which a shell may have closed, a full disk may lie behind, and a reader may leave."""

import errno
import os
import sys

from sccore.utils.errors import InputError

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}  # of a disk behind standard output; files see to themselves


def prepare():
    """Streams that are closed stay so, but no file that is opened later takes their place, and errors go nowhere rather than there."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names that are not UTF-8, and terminals that are not


def read() -> bytes:
    """All of standard input.

    Raises:
        InputError: it is closed.
    """
    if sys.stdin is None:
        raise InputError("standard input: is closed")
    return sys.stdin.buffer.read()


def write(content: bytes):
    """All of it to standard output.

    Raises:
        InputError: that is closed.
    """
    if sys.stdout is None:
        raise InputError("standard output: is closed")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def say(text: str):
    """A line on standard output about work that is done elsewhere, and goes on if nobody reads any longer."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        leave_output()


def leave_output():
    """What is still to be written to standard output goes nowhere, so that no second error follows at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
