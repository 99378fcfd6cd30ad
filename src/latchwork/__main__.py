"""``python -m latchwork program …`` runs a program with multiprocessing's primitives replaced."""

import sys

from latchwork.running import main

# Not sys.exit(0): under python -i the prompt comes after a program that simply ends.
if __name__ == "__main__" and (status := main(sys.argv[1:])):
    sys.exit(status)
