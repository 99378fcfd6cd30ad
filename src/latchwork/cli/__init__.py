"""The command ``latchwork``: plain Python up to where the libraries of ``latchwork[cli]`` are needed."""

import sys
from collections.abc import Sequence

import latchwork
from latchwork.cli import exits

LIBRARIES = frozenset({"click", "rich", "textual", "grandalf"})
NEEDS = """\
`latchwork {command}` needs libraries that a plain installation leaves out. To get them:

    pip install 'latchwork[cli]'
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(f"latchwork {latchwork.__version__}")
        return exits.OK
    try:
        from latchwork.cli.commands import run

        return run(words)  # each command imports what it needs, when it is called
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES:
            raise
    if words == ["tour"]:
        from latchwork import tour

        return tour.main()
    sys.stderr.write(NEEDS.format(command=" ".join(words[:1]) or "--help"))
    return exits.EXTRA
