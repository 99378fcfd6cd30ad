"""A process in a test: it calls what it is told to, tells what came of it, until it is killed."""

import os
import signal
import time
from typing import Any, NamedTuple

from actors import SOON, asleep, heard, is_asleep

import latchwork

FORK = latchwork.get_context("fork")


class Told(NamedTuple):
    result: Any  # what the call returned, or the exception's class
    when: float
    abandoned: bool  # as the primitive said right after it


def call(primitive, name, *args, **kwargs):
    """One call, and what there is to tell of it."""
    try:
        result = getattr(primitive, name)(*args, **kwargs)
    except BaseException as error:
        result = type(error)
    return Told(result, time.monotonic(), bool(getattr(primitive, "abandoned", False)))


def serve(conn, *given):
    """Calls what comes through the pipe, until None comes."""
    for act in given:
        conn.send(act())
    while (order := conn.recv()) is not None:
        conn.send(call(*order))


class Party:
    """A process that serves; ``fork`` unless another context is given."""

    def __init__(self, ctx=FORK, *given):
        self.conn, served = ctx.Pipe()
        self.process = ctx.Process(target=serve, args=(served, *given), daemon=True)
        self.process.start()
        served.close()
        self.pid = self.process.pid

    def begins(self, primitive, name, *args):
        """Let it make a call that waits, and see it asleep there."""
        self.conn.send((primitive, name, *args))
        self.sleeps()
        return self

    def does(self, primitive, name, *args):
        """Let it make a call; what came of it."""
        self.conn.send((primitive, name, *args))
        return self.says()

    def asked(self, primitive, name, *args):
        """Let it make a call, and don't wait for anything."""
        self.conn.send((primitive, name, *args))
        return self

    def says(self):
        return heard(self.conn)

    def is_silent(self, seconds=0.1):
        return not self.conn.poll(seconds)

    def sleeps(self):
        asleep(self.pid)

    def sleeps_or_is_done(self):
        """For a call with a timeout, which may be over before anybody looks."""
        end = time.monotonic() + SOON
        while not self.conn.poll() and not is_asleep(self.pid):
            assert time.monotonic() < end, f"{self.pid} never slept"
            time.sleep(0.001)
        return self

    def kill(self):
        """Without reaping: it stays a zombie, as under a busy parent."""
        os.kill(self.pid, signal.SIGKILL)
        return time.monotonic()

    def gone(self):
        """Killed, and dead for all to see."""
        self.kill()
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def goes_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def ends(self):
        self.conn.send(None)
        self.process.join(10)
        assert self.process.exitcode == 0
