"""A command on a real terminal: what is on the screen, and how it leaves it."""

import contextlib
import os
import signal
import sys
import time

import pexpect
import pyte

SOON = 20.0


class Terminal:
    """Runs a command under a shell that says how the terminal was before and is afterwards."""

    def __init__(self, *command, rows=24, columns=80, **environment):
        self.screen = pyte.Screen(columns, rows)
        self.raw = ""
        self._stream = pyte.Stream(self.screen)
        script = 'stty -g; "$@" & echo pid $!; fg >/dev/null; echo status $?; stty -g; echo end'
        env = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
            if name not in environment:
                env.pop(name, None)
        self._shell = pexpect.spawn(
            "/bin/bash",
            ["--norc", "-m", "-c", script, "bash", *command],
            dimensions=(rows, columns),
            encoding="utf-8",
            env=env,
        )
        self.until(lambda: "pid " in self.raw and "\n" in self.raw.partition("pid ")[2])
        self.pid = int(self.raw.partition("pid ")[2].split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self):
        """As a window is closed: nobody is at the other end any more."""
        self._shell.close(force=True)

    @property
    def lines(self):
        """What is to be seen, top to bottom."""
        return [line.rstrip() for line in self.screen.display]

    def until(self, condition, what="what was waited for"):
        """Read on until it holds; what is on the screen is told if it never does."""
        end = time.monotonic() + SOON
        while not condition():
            seen = "\n".join(self.lines) + f"\n({what})"
            assert time.monotonic() < end, seen
            try:
                self._take(self._shell.read_nonblocking(65536, 0.1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert condition(), seen

    def _take(self, text):
        self.raw += text
        self._stream.feed(text)

    def until_seen(self, *texts):
        self.until(lambda: all(text in "\n".join(self.lines) for text in texts), f"{texts} there")

    def until_gone(self, *texts):
        self.until(
            lambda: not any(text in "\n".join(self.lines) for text in texts), f"{texts} gone"
        )

    def send(self, keys):
        self._shell.send(keys)

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        self._shell.setwinsize(rows, columns)

    def kill(self, number):
        os.kill(self.pid, number)

    def end(self):
        """Wait for the command's end: its exit status, and whether the terminal is as it was."""
        self.until(lambda: "\nend" in self.raw, "the end")
        before, _, after = self.raw.partition("status ")
        settings = before.split("\n")[0].strip()
        status, later = (line.strip() for line in after.splitlines()[:2])
        was_put_back = (
            later == settings
            and before.rfind("\x1b[?1049l") > before.rfind("\x1b[?1049h")
            and before.rfind("\x1b[?25h") > before.rfind("\x1b[?25l")
            and before.rfind("\x1b[?1000l") >= before.rfind("\x1b[?1000h")
            and before.rfind("\x1b[?2004l") >= before.rfind("\x1b[?2004h")
        )
        return int(status), was_put_back

    def colour_of(self, text):
        """The colour in which it stands on the screen."""
        for y, line in enumerate(self.screen.display):
            if text in line:
                return self.screen.buffer[y][line.index(text)].fg
        raise AssertionError(f"{text} is not there")


def python(*words):
    """The words of a command line that runs this Python."""
    return (sys.executable, *words)


INTERRUPT, ESCAPE, ENTER = "\x03", "\x1b", "\r"
TERMINATE, HANG_UP = signal.SIGTERM, signal.SIGHUP
