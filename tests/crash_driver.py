"""Stops a process at one CRASH mark, kills it there, and checks that the others go on.

Run by test_crash_points.py on the test build: python crash_driver.py SCENE. Prints "survived" at last. A
scene is called after its mark; behind a slash stands the role of the one that is killed, if it can be
reached in several.
"""

import sys

from crash import barrier, base, condition, permits, rlock, rwlock, seen, words
from crash.stage import DEADLINE, NotReached, end_well, fork, reap_all

import latchwork
from latchwork import program

SCENES = dict(base.SCENES)
for _module in (barrier, condition, permits, rlock, rwlock, seen, words):
    SCENES.update(_module.SCENES)


def point_of(scene):
    return scene.partition("/")[0]


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
    end_well(survivor)


def main():
    name = sys.argv[1]
    scene = base.Scene(point_of(name))
    for attempt in range(10):
        try:
            others = SCENES[name](scene) or []
            break
        except NotReached:
            if attempt == 9:
                raise
            reap_all()
    end_well(*others)
    all_is_well(scene)
    print("survived")


if __name__ == "__main__":
    try:
        main()
    finally:
        reap_all()
