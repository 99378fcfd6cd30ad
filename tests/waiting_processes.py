"""Real processes that wait, for a test to explain: each says its pid, and then stays as it is."""

import os
import signal
import sys


def stay():
    """Until it is killed."""
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    in_python()


def in_python():
    while True:
        signal.pause()


if __name__ == "__main__":
    stay()
