"""Scenes of the RWLock."""

import os
import signal

import latchwork
from crash.stage import (
    DEADLINE,
    Gate,
    armed,
    asleep,
    end_well,
    fork,
    kill,
    kill_at,
    logged,
    no_net,
    prepared,
)


def reader(rw):
    def act():
        with rw.read(DEADLINE):
            pass

    return act


def writer(rw):
    def act():
        with rw.write(DEADLINE):
            pass

    return act


def check_it_is_free(rw, abandoned=False):
    assert rw.readers == 0, rw
    assert rw._writer_pid() is None
    assert rw.acquire_write(timeout=DEADLINE)
    assert rw.abandoned == abandoned
    rw.release_write()
    with rw.read(DEADLINE), rw.read(DEADLINE):
        assert not rw.abandoned
        assert rw.readers == 2
    end_well(fork(reader(rw)), fork(writer(rw)))


def newcomer_to_write(stage):
    """Dies while it makes the first cells, or waits for them: it never wrote."""
    rw = latchwork.RWLock()
    kill_at(fork(armed(stage.point, rw.acquire_write)), stage.point)
    check_it_is_free(rw)


def writer_at_once(stage):
    """Has the write, of which it knows nothing: the next one is told all the same, and it is logged."""
    rw = latchwork.RWLock()
    with rw.write():
        pass
    victim = fork(armed(stage.point, rw.acquire_write))
    kill_at(victim, stage.point)
    with logged() as records:
        check_it_is_free(rw, abandoned=True)
    assert [record.args[1] for record in records] == [f"process {victim}"]


def newcomer_to_read(stage):
    rw = latchwork.RWLock()
    kill_at(fork(armed(stage.point, rw.acquire_read)), stage.point)
    check_it_is_free(rw)


def writer_that_releases(stage):
    """Readers and a writer wait, and watch it."""
    rw = latchwork.RWLock()
    with no_net():
        victim, go = prepared(rw.acquire_write, stage.point, rw.release_write)
        others = [fork(reader(rw)), fork(writer(rw)), fork(reader(rw))]
        asleep(*others)
        go.open()
        kill_at(victim, stage.point)
        end_well(*others)
    check_it_is_free(rw)


def reader_that_releases(stage):
    """The last of the readers, for which a writer waits, and a reader behind that."""
    rw = latchwork.RWLock()
    with no_net():
        victim, go = prepared(rw.acquire_read, stage.point, rw.release_read)
        others = [fork(writer(rw))]
        asleep(*others)
        others.append(fork(reader(rw)))
        asleep(*others)
        go.open()
        kill_at(victim, stage.point)
        end_well(*others)
    check_it_is_free(rw)


def reader_that_comes_again(stage):
    """Without the guard: counted, and hasn't looked at the gate yet."""
    rw = latchwork.RWLock()

    def twice():
        for _ in range(2):
            rw.acquire_read()
            rw.release_read()

    with no_net():
        kill_at(fork(armed(stage.point, twice)), stage.point)
        end_well(fork(writer(rw)))
    check_it_is_free(rw)


def reader_that_meets_a_writer(stage):
    """The same; and the writer came before it was killed: it waits for that count."""
    rw = latchwork.RWLock()

    def twice():
        for _ in range(2):
            rw.acquire_read()
            rw.release_read()

    with no_net():
        victim = fork(armed(stage.point, twice))
        os.waitid(os.P_PID, victim, os.WSTOPPED | os.WNOWAIT)
        other = fork(writer(rw))
        asleep(other)
        kill_at(victim, stage.point)
        end_well(other)
    check_it_is_free(rw)


def writer_that_waits(stage):
    """Killed in the queue, with the gate closed: readers go in again."""
    rw = latchwork.RWLock()
    rw.acquire_read()
    with no_net():
        kill_at(fork(armed(stage.point, rw.acquire_write)), stage.point)
        end_well(fork(reader(rw)))
        other = fork(writer(rw))
        asleep(other)
        rw.release_read()
        end_well(other)
    check_it_is_free(rw)


def writer_that_closes_the_gate(stage):
    """With the guard; readers that wait behind it are let in by whoever has the guard next."""
    writer_that_waits(stage)


def reader_that_waits(stage):
    rw = latchwork.RWLock()
    rw.acquire_write()
    with no_net():
        victim = fork(armed(stage.point, rw.acquire_read))
        kill_at(victim, stage.point)
        others = [fork(reader(rw)), fork(writer(rw))]
        asleep(*others)
        rw.release_write()
        end_well(*others)
    check_it_is_free(rw)


def writer_granted(stage):
    """Chosen to write, and hasn't seen it: those behind it watch it, and are told."""
    rw = latchwork.RWLock()
    rw.acquire_read()
    with no_net():
        victim = fork(armed(stage.point, rw.acquire_write))
        asleep(victim)
        others = [fork(reader(rw))]
        asleep(*others)
        others.append(fork(writer(rw)))
        asleep(*others)
        rw.release_read()
        kill_at(victim, stage.point)
        end_well(*others)
    check_it_is_free(rw)


def reader_granted(stage):
    """Let in when a write ended, and hasn't seen it; a writer waits for it."""
    rw = latchwork.RWLock()
    rw.acquire_write()
    with no_net():
        victim = fork(armed(stage.point, rw.acquire_read))
        asleep(victim)
        other = fork(writer(rw))
        asleep(other)
        rw.release_write()
        kill_at(victim, stage.point)
        end_well(other)
    check_it_is_free(rw)


def heir(stage):
    """A waiter that settles after a writer's death; it has told who that was, or not yet."""
    rw = latchwork.RWLock()
    held = Gate()

    def write():
        rw.acquire_write()
        held.open()
        signal.pause()

    first = fork(write)
    held.wait()
    victim = fork(armed(stage.point, rw.acquire_read))
    asleep(victim)
    # Without the net this would be left to chance: which of them is told first, and dies or not.
    other = fork(reader(rw))
    kill(first)
    kill_at(victim, stage.point)
    end_well(other)
    check_it_is_free(rw, abandoned=True)


SCENES = {
    "cells_made/rwlock read": newcomer_to_read,
    "cells_made/rwlock write": newcomer_to_write,
    "cell_claimed/rwlock read": newcomer_to_read,
    "cell_claimed/rwlock write": newcomer_to_write,
    "guard_held/rwlock read": newcomer_to_read,
    "cell_claimed/rwlock write at once": writer_at_once,
    "guard_held/rwlock write": newcomer_to_write,
    "guard_held/rwlock write at once": writer_at_once,
    "guard_held/rwlock release": writer_that_releases,
    "queue_granted/rwlock": writer_that_releases,
    "queue_waiting/rwlock read": reader_that_waits,
    "queue_waiting/rwlock write": writer_that_waits,
    "queue_woken/rwlock read": reader_granted,
    "queue_woken/rwlock write": writer_granted,
    "rwlock_closed": writer_that_closes_the_gate,
    "rwlock_counted/alone": reader_that_comes_again,
    "rwlock_counted/writer": reader_that_meets_a_writer,
    "rwlock_granted": writer_that_releases,
    "rwlock_left": heir,
    "rwlock_released": reader_that_releases,
}
