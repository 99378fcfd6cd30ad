"""``python -m latchwork`` is the command ``latchwork``."""

import sys

from latchwork.cli import main

if __name__ == "__main__":
    sys.exit(main())
