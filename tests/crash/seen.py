"""Scenes of the table of those who wait. No protocol reads it: what is to be right is what is shown."""

import latchwork
from crash.stage import armed, asleep, end_well, fork, kill, poll, stopped_at
from latchwork import program


def shown(event):
    return {waiter.pid for waiter in event.statistics().waiters}


def half_way(stage, act, event, others):
    victim = fork(act)
    stopped_at(victim, stage.point)
    assert shown(event) == set(others), "shown before it has said what it waits for"
    kill(victim)
    assert shown(event) == set(others), "a dead one is shown"


def waiter_half_shown(stage):
    """In a place that nobody has used, and in one that says what its last user waited for."""
    event = latchwork.Event()
    others = [fork(event.wait) for _ in range(2)]
    asleep(*others)
    poll("two waiting", lambda: shown(event) == set(others))
    half_way(stage, armed(stage.point, event.wait), event, others)

    def again():
        event.wait(0.01)
        armed(stage.point, event.wait)()

    half_way(stage, again, event, others)
    # What it left is there for others.
    more = [fork(event.wait) for _ in range(70)]
    poll("all waiting", lambda: shown(event) == {*others, *more})
    event.set()
    end_well(*others, *more)
    assert program.arena().waiting() == []
    assert program.arena().unseen() == 0


SCENES = {
    "waiter_taken": waiter_half_shown,
    "waiter_written": waiter_half_shown,
}
