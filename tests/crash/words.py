"""Scenes of the Semaphore and the Latch: one word each, and nobody who could be watched."""

import latchwork
from crash.stage import armed, asleep, end_well, fork, kill_at, no_net


def semaphore_taker_before_sleep(stage):
    semaphore = latchwork.Semaphore(0)
    victim = fork(armed(stage.point, semaphore.acquire))
    others = [fork(semaphore.acquire) for _ in range(2)]
    asleep(*others)
    kill_at(victim, stage.point)
    semaphore.release(2)
    end_well(*others)
    assert semaphore.get_value() == 0


def semaphore_taker_woken(stage):
    """It consumed the wake, and its permit lies there: the others' re-check finds it."""
    semaphore = latchwork.Semaphore(0)
    with no_net():  # its own re-check passes there, too
        victim = fork(armed(stage.point, semaphore.acquire))
    asleep(victim)
    other = fork(semaphore.acquire)
    asleep(other)
    semaphore.release()
    kill_at(victim, stage.point)
    end_well(other)
    assert semaphore.get_value() == 0


def semaphore_releaser(stage):
    semaphore = latchwork.Semaphore(0)
    others = [fork(semaphore.acquire) for _ in range(2)]
    asleep(*others)
    kill_at(fork(armed(stage.point, lambda: semaphore.release(2))), stage.point)
    end_well(*others)
    assert semaphore.get_value() == 0


def latch_waiter_before_sleep(stage):
    latch = latchwork.Latch(2)
    victim = fork(armed(stage.point, latch.wait))
    others = [fork(latch.wait) for _ in range(2)]
    asleep(*others)
    kill_at(victim, stage.point)
    latch.count_down(2)
    end_well(*others)


def latch_opener(stage):
    latch = latchwork.Latch(2)
    others = [fork(latch.wait) for _ in range(2)]
    asleep(*others)
    latch.count_down()
    kill_at(fork(armed(stage.point, latch.count_down)), stage.point)
    end_well(*others)
    assert latch.count == 0


SCENES = {
    "semaphore_marked": semaphore_taker_before_sleep,
    "semaphore_woken": semaphore_taker_woken,
    "semaphore_released": semaphore_releaser,
    "latch_marked": latch_waiter_before_sleep,
    "latch_opened": latch_opener,
}
