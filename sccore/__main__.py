"""The command line."""

import sys

from sccore.cli import main

sys.exit(main())
