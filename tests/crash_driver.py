"""Stops a process at one CRASH mark, kills it there, and checks that the others go on.

Run by test_crash_points.py on the test build: python crash_driver.py POINT. Prints "survived" at last.
"""

import contextlib
import logging
import os
import pickle
import signal
import sys
import time

import latchwork
from latchwork import _core, program

DEADLINE = 5.0  # a hang fails loudly; the re-check is at most a second

logging.getLogger("latchwork").setLevel(logging.CRITICAL)


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
    end = time.monotonic() + DEADLINE
    while True:
        done, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if done:
            if not os.WIFSTOPPED(status):
                raise NotReached(f"{point} was never reached: status {status}")
            break
        assert time.monotonic() < end, f"{point} was never reached"
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def ends_well(pid):
    end = time.monotonic() + DEADLINE
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, f"a survivor failed: {status}"
            return
        assert time.monotonic() < end, "a survivor is stuck"
        time.sleep(0.0005)


def reap_all():
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


class Scene:
    def __init__(self, point):
        self.point = point
        self.lock = latchwork.Lock(name="lock")
        self.event = latchwork.Event(name="event")
        self.own = program.arena()  # before any fork: so the children create in this one

    def arm(self, skip=0):
        _core.crash_arm(self.point, skip)

    def take_and_give(self):
        with self.lock:
            pass

    def waiters(self, count=2):
        pids = [fork(self.take_and_give) for _ in range(count)]
        asleep(*pids)
        return pids

    def armed(self, act, skip=0):
        def armed():
            self.arm(skip)
            act()

        return armed

    # The scenes, by role of the victim.

    def lock_releaser(self):
        """The owner, while two wait."""
        ready, go = os.pipe(), os.pipe()

        def own():
            self.lock.acquire()
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            self.arm()
            self.lock.release()

        victim = fork(own)
        os.read(ready[0], 1)
        others = self.waiters()
        os.write(go[1], b"x")
        kill_at(victim, self.point)
        return others

    def lock_waiter_before_sleep(self):
        self.lock.acquire()
        victim = fork(self.armed(self.take_and_give))
        others = self.waiters()
        kill_at(victim, self.point)
        self.lock.release()
        return others

    def lock_waiter_woken(self):
        """The first in the queue; two behind it."""
        self.lock.acquire()
        victim = fork(self.armed(self.take_and_give))
        asleep(victim)
        others = self.waiters()
        self.lock.release()
        kill_at(victim, self.point)
        return others

    def lock_heir(self):
        """A waiter, while the owner is killed."""
        ready = os.pipe()

        def own():
            self.lock.acquire()
            os.write(ready[1], b"x")
            signal.pause()

        owner = fork(own)
        os.read(ready[0], 1)
        victim = fork(self.armed(self.take_and_give))
        asleep(victim)
        others = self.waiters()
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
        kill_at(victim, self.point)
        return others

    def event_waiter(self):
        victim = fork(self.armed(self.event.wait))
        others = [fork(self.event.wait) for _ in range(2)]
        asleep(*others)
        if self.point == "event_woken":
            asleep(victim)
            self.event.set()
            kill_at(victim, self.point)
        else:
            kill_at(victim, self.point)
            self.event.set()
        return others

    def event_setter(self):
        others = [fork(self.event.wait) for _ in range(2)]
        asleep(*others)
        kill_at(fork(self.armed(self.event.set)), self.point)
        return others

    def forked(self):
        self.arm()
        victim = os.fork()
        if victim == 0:
            os._exit(0)
        _core.crash_arm("event_stored", 1 << 30)
        kill_at(victim, self.point)
        return []

    def creator(self):
        def create():
            made = [latchwork.Lock() for _ in range(100)]
            del made
            kept = [latchwork.Event() for _ in range(40_000)]
            del kept

        kill_at(fork(self.armed(create, skip=7)), self.point)
        return []

    def grower(self):
        def create():
            kept = [latchwork.Event() for _ in range(40_000)]
            del kept

        kill_at(fork(self.armed(create)), self.point)
        return []

    def namer(self):
        def name():
            latchwork.Lock(name="made and dropped, with a text that needs more than one slot" * 2)
            latchwork.Event(name="unlinked").unlink()

        kill_at(fork(self.armed(name)), self.point)
        return []

    def fourth_holder(self):
        """A slot has room for three members that hold it."""
        lock = latchwork.Lock()
        data = pickle.dumps(lock)
        keep = os.pipe()

        def hold():
            mine = pickle.loads(data)
            os.read(keep[0], 1)
            del mine

        others = [fork(hold) for _ in range(2)]
        arena = program.arena()
        poll("holders", lambda: len(arena.members()) >= 3)
        for pid in others:
            poll("reading", lambda pid=pid: state_of(pid) == "S")
        kill_at(fork(self.armed(lambda: [pickle.loads(data) for _ in range(3)])), self.point)
        os.write(keep[1], b"xx")
        with lock:
            pass
        return others

    def repairer(self):
        def create():
            kept = [latchwork.Lock() for _ in range(10)]
            del kept

        def first():
            _core.crash_arm("slot_popped", 3)
            create()

        kill_at(fork(first), "slot_popped")
        return self.forked()  # the next one in is the child, when it becomes a member


SCENES = {
    "lock_acquired": Scene.lock_waiter_woken,
    "lock_marked": Scene.lock_waiter_before_sleep,
    "lock_woken": Scene.lock_waiter_woken,
    "lock_recovering": Scene.lock_heir,
    "lock_recovered": Scene.lock_heir,
    "alive_woken": Scene.lock_heir,
    "lock_released": Scene.lock_releaser,
    "lock_signalled": Scene.lock_releaser,
    "event_marked": Scene.event_waiter,
    "event_woken": Scene.event_waiter,
    "event_stored": Scene.event_setter,
    "member_claimed": Scene.forked,
    "member_locked": Scene.forked,
    "fork_child": Scene.forked,
    "slot_popped": Scene.creator,
    "slot_filled": Scene.creator,
    "slot_bumped": Scene.creator,
    "slot_freed": Scene.creator,
    "slot_dropped": Scene.creator,
    "arena_grown": Scene.grower,
    "holders_extended": Scene.fourth_holder,
    "name_filled": Scene.namer,
    "name_linked": Scene.namer,
    "name_unlinked": Scene.namer,
    "arena_repairing": Scene.repairer,
}


def all_is_well(scene):
    """Nothing is held, nothing is handed out twice, names are whole, nothing leaks."""
    assert scene.lock.acquire(timeout=DEADLINE), "the lock can't be had"
    scene.lock.release()
    scene.event.set()
    assert scene.event.wait(DEADLINE)
    scene.event.clear()
    assert not scene.event.is_set()
    made = [latchwork.Lock() for _ in range(3000)]
    assert all(lock.acquire(block=False) for lock in made), "a slot was handed out twice"
    del made
    for name in ("made and dropped", "unlinked", "another"):
        with latchwork.Lock(name=f"again {name}"):
            pass
    scene.event.set()
    assert latchwork.Event(name="event").is_set(), "the name leads to another event"
    arena = program.namespace("default").arena
    arena.sweep()
    assert arena.counts()["names"] == 2, arena.counts()
    scene.own.sweep()
    assert scene.own.counts()["live"] < 16, scene.own.counts()
    survivor = fork(scene.take_and_give)
    ends_well(survivor)


def main():
    point = sys.argv[1]
    scene = Scene(point)
    for attempt in range(10):
        try:
            others = SCENES[point](scene)
            break
        except NotReached:
            if attempt == 9:
                raise
            reap_all()
    for pid in others:
        ends_well(pid)
    all_is_well(scene)
    print("survived")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
