"""``python -m latchwork.cli``."""

import sys

from latchwork.cli import main

sys.exit(main())
