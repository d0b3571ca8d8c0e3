"""One command line, from its words to its exit code: whatever goes wrong is one line."""

import sys

from sccore.cli import batch, streams
from sccore.cli.parser import parser
from sccore.utils.errors import InputError, of_system


def main(argv: list[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 for bad input, which is one line on stderr; 3 where some files were left out and named, and the rest is done.
    """
    streams.prepare()
    batch.show_notes()
    try:
        code = run(argv)
        if sys.stdout:
            sys.stdout.flush()  # while what goes wrong can be said
        return code
    except BrokenPipeError:  # the reader has seen enough: `... | head`
        streams.leave_output()
        return 0
    except OSError as error:
        if error.errno not in streams.FULL or error.filename:
            raise
        streams.leave_output()
        print(f"error: standard output: {error.strerror}", file=sys.stderr)
    return 1


def run(argv: list[str] | None) -> int:
    """The exit code of a command, once it is done or has ended in one line on stderr."""
    try:
        arguments = parser().parse_args(argv)
        from sccore.data.decoding import allowing

        with allowing(getattr(arguments, "max_pixels", None)):
            return arguments.run(arguments) or 0
    except InputError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
    except OSError as error:
        print(f"error: {of_system(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 1
