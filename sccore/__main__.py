"""The command line: `sccore`, or `python -m sccore`."""

import gc
import os
import sys

from sccore.utils import allocator
from sccore.utils.late import Late

RARELY = 1_000_000  # objects between two searches for garbage; while torch starts, the usual ones find none
BRIEF = "encode", "decode", "info"  # commands of seconds, of which starting and ending are a good part
SELDOM = "torch.export", "torch.nested", "torch.compiler"  # which start with torch
NO_META = "torch._meta_registrations", "torch.distributed._meta_registrations"  # rules for tensors without content


INTERRUPTED = 130  # exit code, with which other processes of a command may still have to end


def main() -> int:
    """Runs one command of :mod:`sccore.cli.command_line` with the allocator that suits it; its exit code."""
    allocator.start_anew()
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in BRIEF:
        gc.set_threshold(RARELY)
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the core to others; --effort uses torch's own
        sys.meta_path.insert(0, Late(*SELDOM))
    if command == "decode":  # `encode` may load torchvision for a detector, and `info` counts with empty tensors
        sys.meta_path.insert(0, Late(*NO_META))
    try:
        from sccore.cli import command_line  # loads numpy, so after the allocator
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED

    code = command_line.main()
    alone = "concurrent.futures.process" not in sys.modules  # else its processes and semaphores are cleared away
    if command in BRIEF and code != INTERRUPTED and alone:
        os._exit(code)  # torch would be taken apart piece by piece; all is written by now
    return code


if __name__ == "__main__":
    sys.exit(main())
