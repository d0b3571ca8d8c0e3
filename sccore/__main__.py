"""The command line."""

import sys

from sccore import allocator

allocator.start_anew()

from sccore.cli import main  # noqa: E402

sys.exit(main())
