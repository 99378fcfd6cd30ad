"""The command line as its users have it: real processes, that are waited for by what they do."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

LATCHWORK = [sys.executable, "-m", "latchwork.cli"]
PATIENCE = 30


def until(fact, what="it"):
    """Wait for a fact; what it came to."""
    end = time.monotonic() + PATIENCE
    while True:
        found = fact()
        if found:
            return found
        assert time.monotonic() < end, f"{what} has not come"
        time.sleep(0.002)


def state_of(pid):
    """``R``, ``S``, ``T``, ...; ``Z`` also of what is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return "Z"
    return stat.rpartition(b")")[2].split()[0].decode()


def sleeps_in(pid, where):
    """Whether it sleeps there in the kernel; anywhere, where the kernel does not say."""
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{pid}/wchan").read_text()
        return bool(re.search(where, found)) or (found == "0" and state_of(pid) == "S")
    return False


def is_gone(pid):
    return state_of(pid) == "Z"


def descendant(pid, file, text):
    """A process below that one, in whose ``/proc/PID/file`` that text is; or None."""
    with contextlib.suppress(OSError):  # they may end meanwhile
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if text in Path(f"/proc/{child}/{file}").read_text():
                return int(child)
            found = descendant(child, file, text)
            if found:
                return found
    return None


def latchwork(*words, **how):
    """Run it to its end."""
    how = {"capture_output": True, "text": True, "timeout": PATIENCE, **how}
    return subprocess.run([*LATCHWORK, *words], **how)


class Holder:
    """``latchwork run …``, or ``whole`` words, of a shell that says its pid and goes on."""

    SCRIPT = "echo $$; read word; exit ${word:-0}"

    def __init__(self, *words, script=SCRIPT, whole=None):
        self.words = [*(whole or [*LATCHWORK, "run", *words, "--"]), "sh", "-c", script]
        self.process = self.command = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is None:
            return
        for pid in (self.wrapper, self.command):
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)

    def start(self):
        if self.process is None:
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            # A group of its own, as a shell makes it: in one that is orphaned nobody can be stopped.
            self.process = subprocess.Popen(self.words, text=True, process_group=0, **pipes)
            self.wrapper = self.process.pid

    def begun(self):
        """Wait until the command runs."""
        self.start()
        self.command = int(self.process.stdout.readline())
        return self

    def waits(self):
        """Wait until it sleeps for want of the lock: it has no child yet."""
        self.start()
        until(lambda: sleeps_in(self.wrapper, "futex|lock"), "the wait for the lock")
        return self

    def end(self, status=0):
        """Tell the command to end; the exit status of ``latchwork run``."""
        self.process.stdin.write(f"{status}\n")
        self.process.stdin.flush()
        return self.process.wait(PATIENCE)

    def let_end(self):
        """Let the command end though nobody may be there to tell of it."""
        self.process.stdin.close()
        self.process.stdin = None

    def line(self):
        return self.process.stdout.readline().strip()
