"""Make the pictures of docs/command-line-views.md, of real processes: ``python docs/images/make.py``.

Needs ``pip install '.[cli]'``.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 30.0

# Takes each in turn, says so, and goes on when it is told to: who waits where is no chance.
PROGRAM = """\
import signal
import sys

import latchwork


def made(kind, name):
    value = (2,) if kind == "BoundedSemaphore" else ()
    return getattr(latchwork, kind)(*value, name=name)


def main():
    primitives = [made(*word.split(":")) for word in sys.argv[1:]]
    for word, primitive in zip(sys.argv[1:], primitives):
        primitive.acquire()
        print("has", word, flush=True)
        sys.stdin.readline()
    signal.pause()


main()
"""

DEADLOCK = {
    "ingest.py": ["RLock:catalogue", "RLock:index"],
    "reindex.py": ["RLock:index", "RLock:statistics"],
    "report.py": ["RLock:statistics", "RLock:catalogue"],
}
BESIDE = {
    "train.py": ["BoundedSemaphore:gpus", "Lock:checkpoint"],
    "evaluate.py": ["BoundedSemaphore:gpus"],
    "serve.py": ["BoundedSemaphore:gpus"],
    "upload.py": ["Lock:checkpoint"],
    "web.py": ["RLock:catalogue"],
}


class Scene:
    """Programs that run until it ends."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._programs: dict[str, subprocess.Popen[str]] = {}

    def start(self, program: str, words: list[str], *, waits_at_once: bool = False) -> None:
        """Start one; it has the first of its words, or waits for it."""
        script = self._directory / program
        script.write_text(PROGRAM)
        started = subprocess.Popen(
            [sys.executable, program, *words],
            cwd=self._directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._programs[program] = self._stack.enter_context(started)
        self._stack.callback(started.send_signal, signal.SIGKILL)
        if not waits_at_once:
            self._has_taken(program)

    def go_on(self, program: str, *, takes: bool = False) -> None:
        """Let one take, or wait for, the next of its words."""
        stdin = self._programs[program].stdin
        assert stdin is not None
        stdin.write("\n")
        stdin.flush()
        if takes:
            self._has_taken(program)

    def _has_taken(self, program: str) -> None:
        stdout = self._programs[program].stdout
        assert stdout is not None
        assert stdout.readline().startswith("has ")


def until(condition: Callable[[], bool]) -> None:
    """Wait for it, and not for ever."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the scene did not come about"
        time.sleep(0.05)


def lines_known(number: int) -> bool:
    """Whether so many wait, and the line is known in which each does."""
    from latchwork.cli import source

    waiters = [one for view in source.look() for it in view.primitives for one in it.waiters]
    return len(waiters) == number and all(waiter.stack for waiter in waiters)


def draw(name: str) -> None:
    """The wait-for graph."""
    from latchwork.cli import exits, main

    assert main(["graph", "--svg", str(HERE / name)]) == exits.DEADLOCK


async def screenshot(name: str) -> None:
    """The screen of `top`, as Textual draws it."""
    from latchwork.cli.screen import Top

    app = Top(None, 0.2, "longest", "")
    async with app.run_test(size=(92, 14)) as pilot:
        await pilot.pause(1.5)
        drawn = app.export_screenshot(title="latchwork top")
    # A font from the net is not needed: the file stands alone.
    (HERE / name).write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL))


def main() -> None:
    """All pictures, of one scene."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        os.environ["LATCHWORK_DIR"] = os.path.join(directory, "arenas")
        scene = Scene(Path(directory), stack)
        for program, words in DEADLOCK.items():
            scene.start(program, words)
        for program in DEADLOCK:
            scene.go_on(program)
        until(lambda: lines_known(3))
        draw("deadlock.svg")
        for program, words in BESIDE.items():
            scene.start(
                program, words, waits_at_once=program in ("serve.py", "upload.py", "web.py")
            )
            if program == "train.py":
                scene.go_on(program, takes=True)
        until(lambda: lines_known(6))
        asyncio.run(screenshot("top.svg"))


if __name__ == "__main__":
    main()
