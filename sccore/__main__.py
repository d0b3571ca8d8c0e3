"""The command line."""

import sys

from sccore.utils import allocator

allocator.start_anew()

from sccore.cli.parser import main  # noqa: E402

sys.exit(main())
