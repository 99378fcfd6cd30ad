"""Who looks on in the tests: this process, another one of the program, and one that has no part in it."""

import contextlib
import dataclasses
import threading
import time

from remote import Remote, There, until

import latchwork
import latchwork.inspect
from latchwork import program

LONG = 60


def told_of(_, ids):
    """All that somebody outside sees of these."""
    return {
        one.id: one
        for view in latchwork.inspect.views()
        for one in view.primitives
        if one.id in ids
    }


def call(_, function, *args):
    """Of a remote one: a call of anything."""
    return function(*args)


class Outsider:
    """A process that no program of ours has started, and that is a member of nothing."""

    def __init__(self):
        self.remote = Remote.unrelated()
        self.remote.make(0, int)
        self.pid = self.remote.pid

    def does(self, function, *args):
        return There(self.remote, 0, None)(call, function, *args)

    def sees(self, *primitives):
        """The statistics of each, by a look from outside."""
        ids = [primitive.statistics().id for primitive in primitives]
        found = self.does(told_of, None, ids)
        assert sorted(found) == sorted(ids)
        return [found[one] for one in ids]

    def end(self):
        self.remote.end()


def timeless(seen):
    """Without when it was looked at, which is the only thing that depends on who looks."""
    return dataclasses.replace(seen, taken=0.0)


def same_for_all(primitive, outsider, *parties):
    """What is seen of it; by everybody the same, once nothing of it has changed meanwhile."""
    end = time.monotonic() + LONG
    while True:
        here = primitive.statistics()
        everywhere = [party.does(primitive, "statistics").result for party in parties]
        everywhere += outsider.sees(primitive)
        if timeless(primitive.statistics()) == timeless(here):
            break
        assert time.monotonic() < end
    assert [timeless(seen) for seen in everywhere] == [timeless(here)] * len(everywhere)
    for seen in (here, *everywhere):
        assert all(who.since <= seen.taken for who in (*seen.owners, *seen.waiters))
    return here


def waiting():
    """All who are seen to wait in this program, as the core says it."""
    return program.arena().waiting()


def waiters(primitive, count):
    """Those who wait for it, once they are so many."""
    until(lambda: len(primitive.statistics().waiters) == count)
    return primitive.statistics().waiters


@contextlib.contextmanager
def thread(call, *args, name=None):
    """One that calls it, and has ended at the end."""
    one = threading.Thread(target=call, args=args, name=name)
    one.start()
    yield one
    one.join(LONG)
    assert not one.is_alive()
