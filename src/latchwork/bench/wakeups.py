"""From the call that wakes till the woken run."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any

from latchwork.bench.measuring import Effort, Row, both, faster, more
from latchwork.bench.processes import cpu_pair, running, until, wait_till_asleep

CROWD = 100
PARTIES = 8
WARM_UP = 200

Call = Callable[[], object]
Side = tuple[Call, Call]  # how to wake the other one, and how to wait for it


def play(pass_on: Call, wait: Call, first: bool, cpu: int, rounds: int, result: Any) -> None:
    os.sched_setaffinity(0, {cpu})
    start = 0.0
    for i in range(WARM_UP + rounds):
        if i == WARM_UP:
            start = time.monotonic()
        if first:
            pass_on()
        wait()
        if not first:
            pass_on()
    if first:
        result.value = (time.monotonic() - start) / rounds / 2


def ping_pong(sides: Sequence[Side], rounds: int) -> float:
    """Half a round trip between two CPUs: from the call of one till the other process runs."""
    result = RawValue(ctypes.c_double)
    calls = [
        (*side, first, cpu, rounds, result)
        for side, first, cpu in zip(sides, (True, False), cpu_pair(), strict=True)
    ]
    with running(play, calls):
        pass
    if not result.value:
        raise TimeoutError("the ping-pong did not come to an end")
    return float(result.value)


def wait_and_clear(event: Any) -> None:
    event.wait()
    event.clear()


def event_ping_pong(rounds: int, context: Any) -> float:
    ping, pong = context.Event(), context.Event()
    sides = [(ping.set, partial(wait_and_clear, pong)), (pong.set, partial(wait_and_clear, ping))]
    return ping_pong(sides, rounds)


def give_turn(condition: Any, turn: Any, to: int) -> None:
    with condition:
        turn.value = to
        condition.notify()


def wait_for_turn(condition: Any, turn: Any, place: int) -> None:
    with condition:
        while turn.value != place:
            condition.wait()


def condition_ping_pong(rounds: int, context: Any) -> float:
    condition, turn = context.Condition(), RawValue(ctypes.c_int, 0)
    sides = [
        (
            partial(give_turn, condition, turn, 1 - place),
            partial(wait_for_turn, condition, turn, place),
        )
        for place in range(2)
    ]
    return ping_pong(sides, rounds)


def where() -> str:
    return "another" if len(set(cpu_pair())) == 2 else "the same"


def by_set(effort: Effort) -> Iterator[Row]:
    pair = both(partial(event_ping_pong, effort.round_trips), effort.repeats)
    yield faster(f"wake-up of a process on {where()} CPU by `set()`", pair, 2.2)


def by_notify(effort: Effort) -> Iterator[Row]:
    pair = both(partial(condition_ping_pong, effort.round_trips), effort.repeats)
    yield faster(f"wake-up of a process on {where()} CPU by `notify()`", pair, 1.5)


def be_woken(
    waits: Sequence[Call], place: int, ready: list[Any], woken: list[Any], gate: int
) -> None:
    for wait, here, awake in zip(waits, ready, woken, strict=True):
        here[place] = 1
        wait()
        awake[place] = time.monotonic()
        os.read(gate, 1)  # to go on, or to end, would disturb those that still have to wake


def crowd(waits: Sequence[Call], wakes: Sequence[Call]) -> float:
    """From the call that wakes till the last of a hundred sleepers runs.

    Each is woken twice, and the second time counts: at the first, what takes long is to copy the pages
    that a forked child has not written to yet.
    """
    ready = [RawArray(ctypes.c_byte, CROWD) for _ in waits]
    woken = [RawArray(ctypes.c_double, CROWD) for _ in waits]
    inside, outside = os.pipe()
    try:
        calls = [(waits, place, ready, woken, inside) for place in range(CROWD)]
        with running(be_woken, calls) as processes:
            for wake, here, awake in zip(wakes, ready, woken, strict=True):
                wait_till_asleep(processes, here)
                start = time.monotonic()
                wake()
                until(partial(all, awake))
                os.write(outside, bytes(CROWD))
    finally:
        os.close(inside)
        os.close(outside)
    return float(max(woken[-1]) - start)


def event_crowd(context: Any) -> float:
    events = [context.Event() for _ in range(2)]
    return crowd([event.wait for event in events], [event.set for event in events])


def wait_for_notification(condition: Any) -> None:
    with condition:
        condition.wait()


def notify_all(condition: Any) -> None:
    with condition:
        condition.notify_all()


def condition_crowd(context: Any) -> float:
    condition = context.Condition()
    return crowd(
        [partial(wait_for_notification, condition)] * 2, [partial(notify_all, condition)] * 2
    )


def many(effort: Effort) -> Iterator[Row]:
    operation = f"{CROWD} processes woken by one `set()`: last one awake"
    yield faster(operation, both(event_crowd, effort.crowds), 2.5)
    operation = f"{CROWD} processes woken by one `notify_all()`: last one has the lock"
    yield faster(operation, both(condition_crowd, effort.crowds), None)


def go_round(barrier: Any, place: int, rounds: int, result: Any) -> None:
    for _ in range(WARM_UP):
        barrier.wait()
    start = time.monotonic()
    for _ in range(rounds):
        barrier.wait()
    if place == 0:
        result.value = rounds / (time.monotonic() - start)


def barrier_rounds(rounds: int, context: Any) -> float:
    barrier, result = context.Barrier(PARTIES), RawValue(ctypes.c_double)
    with running(go_round, [(barrier, place, rounds, result) for place in range(PARTIES)]):
        pass
    if not result.value:
        raise TimeoutError("the rounds did not come to an end")
    return float(result.value)


def meeting(effort: Effort) -> Iterator[Row]:
    pair = both(partial(barrier_rounds, effort.barrier_rounds), effort.repeats)
    yield more(f"rounds of {PARTIES} processes through a Barrier", pair, 3)
