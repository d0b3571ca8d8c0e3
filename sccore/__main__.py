"""The command line: `sccore`, or `python -m sccore`."""

import sys

from sccore.utils import allocator


def main() -> int:
    """Runs one command of :mod:`sccore.cli.parser` with the allocator that suits it; its exit code."""
    allocator.start_anew()
    from sccore.cli import parser  # loads numpy, so after it

    for stream in filter(None, (sys.stdout, sys.stderr)):  # a terminal without some letter gets its number
        stream.reconfigure(errors="backslashreplace")
    return parser.main()


if __name__ == "__main__":
    sys.exit(main())
