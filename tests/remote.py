"""Another process that has the same primitive and does what it is told: one call at a time, or several
threads in it at once. And this process, told in the same way, so that a law can be told of either.
"""

import contextlib
import copy
import importlib
import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import connection

from actors import SOON


class Failure:
    """An exception on its way to the one who asked."""

    def __init__(self, error):
        try:
            pickle.loads(pickle.dumps(error))
        except Exception as why:
            error = RuntimeError(f"{error!r} can't be pickled: {why!r}")
        self.error = error


def until(condition):
    """Wait until it is so; a failure rather than a hang."""
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.0005)


def perform(primitive, what, args, kwargs):
    """A method or attribute by its name, or a function of the primitive; what came of it."""
    try:
        if not isinstance(what, str):
            return what(primitive, *args, **kwargs)
        attribute = getattr(primitive, what)
        return attribute(*args, **kwargs) if callable(attribute) else attribute
    except BaseException as error:
        return Failure(error.with_traceback(None))


class Worker(threading.Thread):
    """A thread that stays: an RLock belongs to it, not to whoever comes next."""

    def __init__(self):
        super().__init__(daemon=True)
        self.jobs = queue.SimpleQueue()
        self.start()

    def run(self):
        while (job := self.jobs.get()) is not None:
            job()
            del job  # it has the primitive


# --- in the other process ---------------------------------------------------------------------------


class Server:
    """Reads commands on the main thread, does them on others, and answers."""

    def __init__(self, conn, primitives):
        self.conn = conn
        self.primitives = primitives
        self.saying = threading.Lock()
        self.workers = {}

    def say(self, *answer):
        with self.saying:
            self.conn.send(answer)

    def run(self):
        for primitive in self.primitives.values():
            copy.copy(primitive)  # makes the process known by its main thread, as in a real program
        self.say("ready", 0, os.getpid())
        with contextlib.suppress(EOFError, OSError):
            while self.obey(self.conn.recv_bytes()):
                pass

    def obey(self, command):
        verb, call, *words = pickle.loads(command)
        if verb == "take":
            number, pickled, what, args, kwargs = words
            try:
                self.primitives[number] = (
                    pickle.loads(pickled) if pickled else what(*args, **kwargs)
                )
                self.say("done", call, None)
            except Exception as error:
                self.say("done", call, Failure(error))
        elif verb == "drop":
            self.primitives.pop(words[0], None)
            self.say("done", call, None)
        elif verb == "do":
            thread, number, what, args, kwargs = words
            if thread not in self.workers:
                self.workers[thread] = Worker()
            primitive = self.primitives[number]
            self.workers[thread].jobs.put(
                lambda: self.do(call, primitive, what, args, kwargs),
            )
        return verb != "end"

    def do(self, call, primitive, what, args, kwargs):
        self.say("begun", call, threading.get_native_id())
        result = perform(primitive, what, args, kwargs)
        with contextlib.suppress(OSError):
            self.say("done", call, result)


def serve(conn, primitives):
    """The other process, with what it inherited or was given as an argument."""
    Server(conn, dict(primitives)).run()


def serve_from_module(conn, module, table, keys):
    """The other process, which has them because it imports the module that makes them."""
    made = getattr(importlib.import_module(module), table)
    Server(conn, {number: made[key][which] for number, key, which in keys}).run()


def serve_unrelated(descriptor):
    """A process that was not started by multiprocessing: it knows nothing but names."""
    Server(connection.Connection(descriptor), {}).run()


# --- here -------------------------------------------------------------------------------------------


class Remote:
    """A handle of the other process."""

    def __init__(self, conn, process):
        self.conn, self.process = conn, process
        self.calls = itertools.count(1)
        self.begun, self.done, self.open = {}, {}, set()
        self.pid = process.pid
        self.alive = True
        assert self._next(time.monotonic() + 6 * SOON) == "ready"

    @classmethod
    def started(cls, ctx, target, *args):
        """By multiprocessing, with something to begin with."""
        conn, theirs = ctx.Pipe()
        process = ctx.Process(target=target, args=(theirs, *args), daemon=True)
        process.start()
        theirs.close()
        return cls(conn, process)

    @classmethod
    def unrelated(cls):
        conn, theirs = connection.Pipe()
        source = (
            f"import sys; sys.path[:] = {sys.path!r}; import remote; "
            f"remote.serve_unrelated({theirs.fileno()})"
        )
        process = subprocess.Popen([sys.executable, "-c", source], pass_fds=[theirs.fileno()])
        theirs.close()
        return cls(conn, process)

    def _next(self, end):
        """Take in one answer; its verb."""
        assert self.conn.poll(max(0, end - time.monotonic())), "no answer: it hangs"
        verb, call, what = self.conn.recv()
        if verb == "begun":
            self.begun[call] = what
        elif verb == "done":
            self.done[call] = what
            self.open.discard(call)
        return verb

    def wait(self, what, call, timeout=SOON):
        end = time.monotonic() + timeout
        while call not in what:
            self._next(end)
        return what[call]

    def look(self):
        """Take in what has been answered by now."""
        while self.conn.poll():
            self._next(time.monotonic() + SOON)

    def tell(self, verb, *words):
        call = next(self.calls)
        self.open.add(call)
        self.conn.send((verb, call, *words))
        return call

    def ask(self, verb, *words):
        result = self.wait(self.done, self.tell(verb, *words))
        if isinstance(result, Failure):
            raise result.error

    def take(self, number, primitive):
        """Send it a primitive."""
        self.ask("take", number, pickle.dumps(primitive), None, (), {})

    def make(self, number, what, *args, **kwargs):
        """Let it make or find a primitive itself."""
        self.ask("take", number, None, what, args, kwargs)

    def drop(self, number):
        self.ask("drop", number)

    def kill(self):
        """As the OOM killer does."""
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.reap()

    def lives(self):
        """Whether it serves: neither ended nor killed by anybody."""
        if not self.alive:
            return False
        if isinstance(self.process, subprocess.Popen):
            return self.process.poll() is None
        return self.process.is_alive()

    def end(self):
        if self.lives() and not self.open:
            self.tell("end")
            self.alive = False
            self.reap()
        else:
            self.kill()

    def reap(self):
        if isinstance(self.process, subprocess.Popen):
            self.process.wait(SOON)
        else:
            self.process.join(SOON)
        self.conn.close()


class RemoteCall:
    """A call under way in the other process."""

    def __init__(self, remote, call, sleeps):
        self.remote, self.call, self.sleeps = remote, call, sleeps

    def done(self):
        self.remote.look()
        return self.call in self.remote.done

    def asleep(self):
        """Wait until its thread sleeps in the primitive."""
        tid = self.remote.wait(self.remote.begun, self.call)
        _sleep_of(self, self.remote.pid, tid, self.sleeps)
        return self

    def result(self, timeout=SOON):
        result = self.remote.wait(self.remote.done, self.call, timeout)
        if isinstance(result, Failure):
            raise result.error
        return result


class LocalCall:
    """A call under way on another thread of this process."""

    def __init__(self, primitive, what, args, kwargs, sleeps):
        self.sleeps = sleeps
        self.began, self.ended = threading.Event(), threading.Event()
        self.job = primitive, what, args, kwargs

    def run(self):
        self.tid = threading.get_native_id()
        self.began.set()
        self.outcome = perform(*self.job)
        del self.job
        self.ended.set()

    def done(self):
        return self.ended.is_set()

    def asleep(self):
        assert self.began.wait(SOON)
        _sleep_of(self, os.getpid(), self.tid, self.sleeps)
        return self

    def result(self, timeout=SOON):
        assert self.ended.wait(timeout), "it hangs"
        if isinstance(self.outcome, Failure):
            raise self.outcome.error
        return self.outcome


def _sleep_of(call, pid, tid, sleeps):
    def slept():
        asleep = sleeps(pid, tid)
        assert not call.done(), f"it did not wait: {call.result()!r}"
        return asleep

    until(slept)


class There:
    """The primitive in the other process: ``there("acquire", timeout=1)``."""

    def __init__(self, remote, number, sleeps, thread="main"):
        self.remote, self.number, self.sleeps, self.thread = remote, number, sleeps, thread
        self.pid = remote.pid
        self.fresh = itertools.count()

    def on(self, thread):
        """On another thread of that process: the same each time that it is named."""
        return type(self)(self.remote, self.number, self.sleeps, thread)

    def begin(self, what, *args, **kwargs):
        """Start a call on a thread of its own; return without its result."""
        side = self.on(f"{self.number}-{next(self.fresh)}") if self.thread == "main" else self
        call = self.remote.tell("do", side.thread, self.number, what, args, kwargs)
        return RemoteCall(self.remote, call, self.sleeps)

    def __call__(self, what, *args, **kwargs):
        call = self.remote.tell("do", self.thread, self.number, what, args, kwargs)
        return RemoteCall(self.remote, call, self.sleeps).result()

    def kill(self):
        self.remote.kill()


class Here:
    """The primitive in this process, told in the same way."""

    def __init__(self, primitive, sleeps, thread=None, workers=None):
        self.primitive, self.sleeps, self.thread = primitive, sleeps, thread
        self.workers = {} if workers is None else workers
        self.pid = os.getpid()
        self.fresh = itertools.count()

    def on(self, thread):
        return type(self)(self.primitive, self.sleeps, thread, self.workers)

    def begin(self, what, *args, **kwargs):
        thread = self.thread or f"fresh-{next(self.fresh)}"
        if thread not in self.workers:
            self.workers[thread] = Worker()
        call = LocalCall(self.primitive, what, args, kwargs, self.sleeps)
        self.workers[thread].jobs.put(call.run)
        return call

    def __call__(self, what, *args, **kwargs):
        if self.thread is not None:
            return self.begin(what, *args, **kwargs).result()
        result = perform(self.primitive, what, args, kwargs)
        if isinstance(result, Failure):
            raise result.error
        return result

    def end(self):
        for worker in self.workers.values():
            worker.jobs.put(None)
