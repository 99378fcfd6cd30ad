"""Scenes of the Lock, the Event, and of what the arena's mutex guards."""

import os
import pickle
import signal

import latchwork
from crash.stage import asleep, end_well, fork, kill, kill_at, no_net, poll, state_of, stopped_at
from latchwork import _core, program


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

    def lock_waiter_slow_to_sleep(self):
        """Not killed, but slow: all that it saw is over when it goes on, and nobody will wake it."""
        with no_net():
            self.lock.acquire()
            other = fork(self.take_and_give)
            asleep(other)
            slow = fork(self.armed(self.take_and_give))
            stopped_at(slow, self.point)
            self.lock.release()
            end_well(other)
            os.kill(slow, signal.SIGCONT)
            end_well(slow)

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
        kill(owner)
        kill_at(victim, self.point)
        return others

    def bequeather(self):
        """What it holds is held until its heir has died, too."""
        told = os.pipe()

        def own():
            self.lock.acquire()
            heir = os.fork()
            if heir == 0:
                signal.pause()
            os.write(told[1], str(heir).encode())
            self.arm()
            self.lock._arena.bequeath(heir)
            again = os.open(f"/proc/self/fd/{self.lock._arena.fd}", os.O_RDWR)
            self.lock._arena.bequeath_by_file(again)

        victim = fork(own)
        heir = int(os.read(told[0], 20))
        try:
            others = self.waiters()
            kill_at(victim, self.point)
            assert not self.lock.acquire(block=False)
        finally:
            os.kill(heir, signal.SIGKILL)
        return others

    def event_waiter(self):
        with no_net():  # its own re-check passes there, too
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

    def third_holder(self):
        """A slot has room for two members that hold it."""
        lock = latchwork.Lock()
        data = pickle.dumps(lock)
        keep = os.pipe()

        def hold():
            mine = pickle.loads(data)
            os.read(keep[0], 1)
            del mine

        others = [fork(hold)]
        arena = program.arena()
        poll("holders", lambda: len(arena.members()) >= 2)
        for pid in others:
            poll("reading", lambda pid=pid: state_of(pid) == "S")
        kill_at(fork(self.armed(lambda: [pickle.loads(data) for _ in range(3)])), self.point)
        os.write(keep[1], b"x")
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
    "lock_looked": Scene.lock_waiter_before_sleep,
    "lock_looked/slow": Scene.lock_waiter_slow_to_sleep,
    "lock_marked": Scene.lock_waiter_before_sleep,
    "lock_woken": Scene.lock_waiter_woken,
    "lock_recovering": Scene.lock_heir,
    "heir_set": Scene.bequeather,
    "heir_locked": Scene.bequeather,
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
    "holders_extended": Scene.third_holder,
    "name_filled": Scene.namer,
    "name_linked": Scene.namer,
    "name_unlinked": Scene.namer,
    "arena_repairing": Scene.repairer,
}
