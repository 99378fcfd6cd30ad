"""Readers and writers go on, whoever of them is killed, holding or waiting."""

import logging
import os
import signal
import threading
import time

import pytest
from actors import METHODS, SOON, heard
from party import FORK, Party

import latchwork
from latchwork import _core


@pytest.fixture
def rw():
    return latchwork.RWLock()


def reading(rw, ctx=FORK):
    party = Party(ctx)
    assert party.does(rw, "acquire_read").result is True
    return party


def writing(rw, ctx=FORK):
    party = Party(ctx)
    assert party.does(rw, "acquire_write").result is True
    return party


def to_read(rw):
    return Party().begins(rw, "acquire_read")


def to_write(rw):
    return Party().begins(rw, "acquire_write")


def got(party):
    told = party.says()
    assert told.result is True
    return told


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_writer_lets_readers_in_and_they_are_told(method, rw, no_net):
    writer = writing(rw, latchwork.get_context(method))
    readers = [to_read(rw), to_read(rw)]
    writer.kill()
    assert all(got(reader).abandoned for reader in readers)
    assert rw.readers == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_reader_lets_a_writer_in(method, rw, no_net):
    readers = [reading(rw, latchwork.get_context(method)), reading(rw)]
    writer = to_write(rw)
    readers[1].kill()
    assert writer.is_silent()
    readers[0].kill()
    assert not got(writer).abandoned


def test_a_killed_writer_lets_the_next_writer_in_which_is_told(rw, no_net):
    first = writing(rw)
    second, third = to_write(rw), to_write(rw)
    first.kill()
    assert got(second).abandoned
    assert second.does(rw, "release_write").abandoned is False
    assert not got(third).abandoned


def test_a_writers_death_is_logged_and_abandoned_until_a_write_ends(rw, caplog):
    writer = writing(rw)
    writer.gone()
    with caplog.at_level(logging.WARNING, "latchwork"):
        assert rw.acquire_read(block=False)
    assert f"process {writer.pid} died" in caplog.text
    assert rw.abandoned
    rw.release_read()
    assert rw.abandoned
    with rw.write():
        assert rw.abandoned
    assert not rw.abandoned


@pytest.mark.parametrize("again", ["write", "read"])
def test_who_writes_after_a_writer_that_died_is_told_also_without_waiting(rw, again, caplog):
    writer = writing(rw)
    writer.gone()
    with caplog.at_level(logging.WARNING, "latchwork"):
        assert getattr(rw, f"acquire_{again}")(block=False)
    assert rw.abandoned
    assert f"process {writer.pid} died" in caplog.text


def test_a_killed_waiting_writer_opens_the_gate_for_those_behind_it(rw, no_net):
    reader = reading(rw)
    writer, late = to_write(rw), to_read(rw)
    assert late.is_silent(0.05)
    writer.kill()
    got(late)
    got(Party().asked(rw, "acquire_read"))
    assert rw.readers == 3
    reader.ends()


def test_a_killed_waiting_reader_costs_nobody_anything(rw, no_net):
    writer = writing(rw)
    victim, survivor, next_writer = to_read(rw), to_read(rw), to_write(rw)
    victim.kill()
    writer.does(rw, "release_write")
    got(survivor)
    survivor.does(rw, "release_read")
    got(next_writer)


def test_younger_readers_that_were_let_in_before_a_writer_are_watched_by_it(rw, no_net):
    writer = writing(rw)
    next_writer = to_write(rw)
    readers = [to_read(rw), to_read(rw)]
    writer.does(rw, "release_write")
    for reader in readers:
        got(reader)
    next_writer.sleeps()
    for reader in readers:
        reader.kill()
    got(next_writer)


@pytest.mark.parametrize("how", ["timeout", "interrupt", "death"])
def test_a_writer_that_gives_up_leaves_its_watch_to_the_next_writer(rw, how, no_net):
    """It was the only one that had been woken to watch the reader that was let in before both."""
    writer = writing(rw)
    first = Party(FORK, lambda: signal.signal(signal.SIGUSR1, interrupt) and None)
    first.says()
    first.asked(rw, "acquire_write", True, 1.0 if how == "timeout" else None).sleeps()
    second, reader = to_write(rw), to_read(rw)
    writer.does(rw, "release_write")
    got(reader)
    first.sleeps()
    if how == "death":
        first.gone()
    else:
        if how == "interrupt":
            os.kill(first.pid, signal.SIGUSR1)
        assert first.says().result is (False if how == "timeout" else InterruptedError)
    second.sleeps()
    reader.kill()
    got(second)


def interrupt(*_):
    raise InterruptedError


@pytest.mark.parametrize("how", ["timeout", "death"])
def test_readers_come_before_a_younger_writer_when_an_older_one_gives_up(rw, how, no_net):
    """Else it would get ahead of them unwatched, and its death would be told to nobody."""
    reader = reading(rw)
    first = Party().asked(rw, "acquire_write", True, 0.3 if how == "timeout" else None)
    first.sleeps()
    waiting, second = to_read(rw), to_write(rw)
    if how == "death":
        first.kill()
    got(waiting)
    reader.does(rw, "release_read")
    assert second.is_silent(0.05)
    waiting.kill()
    got(second)


def test_a_stopped_writer_and_a_stopped_reader_are_not_dead(rw):
    writer = writing(rw)
    writer.stop()
    assert rw.acquire_read(timeout=1.3) is False  # longer than any re-check
    writer.kill()
    assert rw.acquire_read(timeout=SOON)
    rw.release_read()
    reader = reading(rw)
    reader.stop()
    assert rw.acquire_write(timeout=1.3) is False
    assert rw.acquire_read(block=False)  # the one that gave up closes the gate for nobody
    rw.release_read()
    reader.kill()
    assert rw.acquire_write(timeout=SOON)


def test_a_process_that_just_ends_holds_nothing(rw):
    reading(rw).ends()
    assert rw.readers == 0
    writing(rw).ends()
    assert rw._writer_pid() is None
    assert rw.acquire_write(block=False)
    assert rw.abandoned


def test_a_forked_child_holds_nothing_of_its_parents(rw):
    """Also not by the cell in which the parent's handle had counted its reads."""
    rw.acquire_read()
    child = Party()
    assert child.does(rw, "release_read").result is latchwork.NotHeldError
    assert child.does(rw, "acquire_read").result is True
    assert rw.readers == 2
    child.gone()
    assert rw.readers == 1
    rw.release_read()
    assert rw.acquire_write(block=False)
    assert Party().does(rw, "release_write").result is latchwork.NotHeldError
    assert rw._writer_pid() == os.getpid()


def test_reads_of_several_threads_of_a_killed_process_end_with_it(rw, no_net):
    """Some of them were waited for: they lie in cells of their own."""

    def read_thrice(said):
        threads = [threading.Thread(target=rw.acquire_read) for _ in range(3)]
        for thread in threads:
            thread.start()
        said.send("waiting")
        for thread in threads:
            thread.join()
        said.send(rw.readers)
        signal.pause()

    rw.acquire_write()
    said, saying = FORK.Pipe()
    victim = FORK.Process(target=read_thrice, args=(saying,))
    victim.start()
    assert heard(said) == "waiting"
    time.sleep(0.05)
    rw.release_write()
    assert heard(said) == 3
    writer = to_write(rw)
    os.kill(victim.pid, signal.SIGKILL)
    got(writer)


def test_threads_of_one_process_always_get_a_read_that_is_free(rw):
    """A release may free, without the guard, the cell that another thread is about to count in."""
    end = time.monotonic() + 1
    failed = []

    def read():
        try:
            while time.monotonic() < end:
                with rw.read():
                    pass
        except BaseException as error:
            failed.append(error)

    def write():
        while time.monotonic() < end:
            with rw.write():
                pass

    threads = [threading.Thread(target=read) for _ in range(3)]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_the_living_go_on_without_futex_waitv(rw):
    _core.forbid_waitv(True)
    try:
        writer = writing(rw)
        reader, next_writer = to_read(rw), to_write(rw)
        writer.kill()
        assert got(reader).abandoned
        reader.kill()
        got(next_writer)
    finally:
        _core.forbid_waitv(False)


def test_a_dead_writer_is_seen_before_anybody_acquires(rw):
    writer = Party()
    assert writer.does(rw, "acquire_write").result is True
    assert not rw.abandoned
    writer.gone()
    assert rw.abandoned
    with rw.read():
        assert rw.abandoned
    with rw.write():
        assert rw.abandoned
    assert not rw.abandoned
