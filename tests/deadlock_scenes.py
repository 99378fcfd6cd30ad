"""Processes that come to wait for each other, and a file in which each writes what it is warned of."""

import functools
import json
import os
import threading
import time
import warnings
from pathlib import Path

from party import FORK, Party
from remote import Remote, There, serve, until

import latchwork
from latchwork.errors import DeadlockWarning

QUICK = 0.15  # seconds, for most
UNHURRIED = 0.5  # where it matters who tells: the next one's turn comes after twice as long
FUTEXES = ("202", "98", "449")


def record(path, *_):
    """From now on this process writes its warnings there."""

    def show(message, category, filename, lineno, file=None, line=None):
        said = {"pid": os.getpid(), "kind": category.__name__, "text": str(message), "at": filename}
        said["when"] = time.monotonic()
        with open(path, "a") as lines:
            lines.write(json.dumps(said) + "\n")

    warnings.simplefilter("always", DeadlockWarning)
    warnings.showwarning = show


def record_as_done(primitive, path):
    record(path)


def sleeps(pid, tid):
    fields = Path(f"/proc/{pid}/task/{tid}/syscall").read_text().split()
    return fields[0] in FUTEXES


class Scene:
    """Who is in it, and what they were told."""

    def __init__(self, path, ctx=FORK):
        self.path, self.ctx = str(path), ctx
        self.remotes, self.parties, self.numbers, self.taken = [], [], {}, set()

    def party(self, warned=record):
        """A process of one thread, which does one call at a time."""
        party = Party(self.ctx, functools.partial(warned, self.path))
        party.says()
        self.parties.append(party)
        return party

    def process(self):
        """A process of several threads."""
        remote = Remote.started(self.ctx, serve, {})
        self.remotes.append(remote)
        return remote

    def thread(self, remote, name, primitive):
        """A thread of it, at a primitive."""
        number = self.numbers.setdefault(id(primitive), len(self.numbers))
        if (remote, number) not in self.taken:
            self.taken.add((remote, number))
            remote.take(number, primitive)
            There(remote, number, sleeps, name)(record_as_done, self.path)
        return There(remote, number, sleeps, name)

    def told(self):
        """All warnings until now."""
        if not os.path.exists(self.path):
            return []
        with open(self.path) as lines:
            return [json.loads(line) for line in lines]

    def until_told(self, times):
        until(lambda: len(self.told()) >= times)

    def telling(self):
        """The one warning that comes."""
        self.until_told(1)
        return self.told()[0]

    def stays_told(self, times, seconds):
        """Whether it was so often by then; to be called when the first had time to come."""
        over = threading.Event()
        over.wait(seconds)
        return len(self.told()) == times

    def end(self):
        for remote in self.remotes:
            remote.kill()
        for party in self.parties:
            party.process.kill()
            party.process.join()
            party.conn.close()


def close(scene, parties, primitives):
    """Each takes its own, and then waits for the next one's; the last one closes the circle: when."""
    for who, own in zip(parties, primitives, strict=True):
        assert who.does(own, "acquire").result
    for who, foreign in zip(parties, primitives[1:] + primitives[:1], strict=True):
        who.begins(foreign, "acquire")
    return time.monotonic()


def notified_too_late(waits, notifies):
    """One waits to be notified with a lock in its hand, which the one who notified it then wants."""
    lock, condition = latchwork.RLock(), latchwork.Condition()
    assert waits.does(lock, "acquire").result
    assert waits.does(condition, "acquire").result
    waits.begins(condition, "wait")
    assert notifies.does(condition, "acquire").result
    assert notifies.does(condition, "notify").result is None
    notifies.begins(lock, "acquire")
    return condition
