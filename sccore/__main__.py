"""The command line: `sccore`, or `python -m sccore`."""

import gc
import os
import sys

from sccore.utils import allocator
from sccore.utils.placeholders import NO_META, Placeholders

RARELY = 100_000  # objects between two searches for garbage; while torch starts, the usual ones find none and take a tenth of the time
BRIEF = "encode", "decode", "info"  # commands of seconds, of which starting and ending are a good part


def main() -> int:
    """Runs one command of :mod:`sccore.cli.parser` with the allocator that suits it; its exit code."""
    allocator.start_anew()
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in BRIEF:
        gc.set_threshold(RARELY)
    if command == "decode":  # `encode` may load torchvision for a detector, and `info` counts with empty tensors
        sys.meta_path.insert(0, Placeholders(NO_META))
    from sccore.cli import parser  # loads numpy, so after the allocator

    for stream in filter(None, (sys.stdout, sys.stderr)):  # a terminal without some letter gets its number
        stream.reconfigure(errors="backslashreplace")
    code = parser.main()
    return leave(code) if command in BRIEF else code


def leave(code: int):
    """Ends the process at once: to take torch apart piece by piece takes as long as half of its start."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except BrokenPipeError:  # the reader has seen enough
            pass
        except OSError as error:  # a full disk
            if not code:
                print(f"error: standard output: {error.strerror}", file=sys.stderr)
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
