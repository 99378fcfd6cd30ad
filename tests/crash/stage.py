"""What every scene needs: one that stops at a mark and is killed there, and others that must end well."""

import contextlib
import logging
import os
import signal
import time

from latchwork import _core

DEADLINE = 5.0  # a hang fails loudly; the re-check is at most a second

logging.getLogger("latchwork").setLevel(logging.CRITICAL)


started = set()


def fork(act):
    """Run a function in a forked child; the pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    started.add(pid)
    return pid


def poll(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.0005)


def state_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def asleep(*pids):
    """Wait until they sleep, in a futex and nowhere else."""
    for pid in pids:
        poll(f"{pid} never slept", lambda pid=pid: in_futex(pid))


def in_futex(pid):
    with open(f"/proc/{pid}/syscall") as syscall:
        number = syscall.read().split()[0]
    # futex and futex_waitv on x86-64 and arm64
    return number in ("202", "98", "449") and state_of(pid) == "S"


class NotReached(Exception):
    """A re-check may have put another one at the head of the queue: then the scene is played again."""


def kill_at(pid, point):
    """Wait until it stands still at the mark; kill it there."""
    stopped_at(pid, point)
    kill(pid)


def stopped_at(pid, point):
    """Wait until it stands still at the mark."""
    end = time.monotonic() + DEADLINE
    while True:
        done, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if done:
            if not os.WIFSTOPPED(status):
                started.discard(pid)
                raise NotReached(f"{point} was never reached: status {status}")
            break
        assert time.monotonic() < end, f"{point} was never reached"
        time.sleep(0.0005)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    started.discard(pid)


def end_well(*pids):
    for pid in pids:
        end = time.monotonic() + DEADLINE
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                started.discard(pid)
                assert status == 0, f"a survivor failed: {status}"
                break
            assert time.monotonic() < end, "a survivor is stuck"
            time.sleep(0.0005)


def reap_all():
    for pid in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    started.clear()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def armed(point, act, skip=0):
    """The same, but it stops at that mark (the skip + 1-th time that it passes there)."""

    def act_armed():
        _core.crash_arm(point, skip)
        act()

    return act_armed


class Gate:
    """A pipe that holds back whoever waits at it."""

    def __init__(self):
        self.ends = os.pipe()

    def wait(self):
        os.read(self.ends[0], 1)

    def open(self, for_how_many=1):
        os.write(self.ends[1], b"x" * for_how_many)


def prepared(before, point, act):
    """One that has done something and then, armed, does the rest when the gate is opened: pid, gate."""
    ready, go = Gate(), Gate()

    def first_and_then():
        before()
        ready.open()
        go.wait()
        _core.crash_arm(point, 0)
        act()

    pid = fork(first_and_then)
    ready.wait()
    return pid, go


@contextlib.contextmanager
def no_net():
    """Without the re-check: a missed wake-up is a hang."""
    _core.recheck_first(1000)
    try:
        yield
    finally:
        _core.recheck_first(0.02)


@contextlib.contextmanager
def logged():
    """What this process is told by the library."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("latchwork")
    level, logger.propagate = logger.level, False
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True
