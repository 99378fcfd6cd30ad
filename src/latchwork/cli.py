"""The command ``latchwork``."""

import argparse
from collections.abc import Sequence

import latchwork


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog="latchwork",
        description="Locks and events between processes that outlive the death of any of them.",
    )
    parser.add_argument("--version", action="version", version=f"latchwork {latchwork.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tour", help="show what it does, with real processes, in ten seconds")
    parser.parse_args(argv)

    from latchwork import tour

    return tour.main()
