"""One command line, from its words to its exit code: whatever goes wrong is one line."""

import errno
import os
import sys

from sccore.cli import batch
from sccore.cli.parser import parser
from sccore.utils.errors import InputError

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}  # of a disk behind standard output; files see to themselves


def main(argv: list[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 for bad input, which is one line on stderr; 3 where some files were left out and named, and the rest is done.
    """
    batch.show_notes()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names that are not UTF-8, and terminals that are not
    try:
        code = run(argv)
        if sys.stdout:
            sys.stdout.flush()  # while what goes wrong can be said
        return code
    except BrokenPipeError:  # the reader has seen enough: `... | head`
        leave_output()
        return 0
    except OSError as error:
        if error.errno not in FULL or error.filename:
            raise
        leave_output()
        print(f"error: standard output: {error.strerror}", file=sys.stderr)
    return 1


def run(argv: list[str] | None) -> int:
    """The exit code of a command, once it is done or has ended in one line on stderr."""
    try:
        arguments = parser().parse_args(argv)
        if not (pixels := getattr(arguments, "max_pixels", None)):
            return arguments.run(arguments) or 0
        from sccore.data.decoding import allowing

        with allowing(pixels):
            return arguments.run(arguments) or 0
    except InputError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 1


def leave_output():
    """What is still to be written to standard output goes nowhere, so that no second error follows at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
