"""A task, and nobody in its way: beside the same without ``async``, and beside asyncio's own."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from latchwork.bench.measuring import OURS, Effort, Row, at_least, at_most, in_turn, seconds

SLICES = 20
WITH = "with x: pass"
ASYNC_WITH = "async with x: pass"
ACQUIRE = "x.acquire(); x.release()"
ACQUIRE_ASYNC = "await x.acquire_async(); x.release()"

REPEATED = """
async def repeated(count, clock, x):
    start = clock()
    for _ in range(count):
        {}
    return clock() - start
"""


def stopwatch(
    runner: asyncio.Runner, statement: str, made: object, timing: float
) -> Callable[[], float]:
    """As the one in ``measuring``, but inside of a task."""
    names: dict[str, Any] = {}
    exec(REPEATED.format(statement), names)

    def timed(count: int) -> float:
        return float(runner.run(names["repeated"](count, time.perf_counter, made)))

    number = 1
    while (spent := min(timed(number) for _ in range(3))) < timing / 4:
        number *= 2
    number = max(1, round(number * timing / spent))
    return lambda: timed(number) / number


def time_in_a_task(cases: list[tuple[str, object]], effort: Effort) -> list[float]:
    """In slices so short that whatever else runs on the machine falls between most of them."""
    with asyncio.Runner() as runner:
        watches = [stopwatch(runner, *case, effort.timing / SLICES) for case in cases]
        return in_turn(watches, effort.repeats * SLICES)


def beside_sync(
    operation: str, made: object, statements: tuple[str, str], most: float | None, effort: Effort
) -> Row:
    sync, ours = time_in_a_task([(statement, made) for statement in statements], effort)
    target = at_most(ours / sync, most, lambda value: f"{value:g} times") if most else ()
    return Row(
        operation, f"{seconds(sync)} (sync)", seconds(ours), f"{ours / sync:.2f} times", *target
    )


def beside_asyncio(theirs: tuple[str, object], ours: tuple[str, object], effort: Effort) -> Row:
    """No target: between tasks alone a lock is a flag of Python's."""
    plain, shared = time_in_a_task([theirs, ours], effort)
    operation = f"- beside `asyncio.{type(theirs[1]).__name__}`"
    return Row(
        operation, f"{seconds(plain)} (asyncio)", seconds(shared), *at_least(plain / shared, None)
    )


def alone(effort: Effort) -> Iterator[Row]:
    lock, rlock, semaphore, event = OURS.Lock(), OURS.RLock(), OURS.Semaphore(1), OURS.Event()
    plain, both = asyncio.Event(), (WITH, ASYNC_WITH)
    event.set()
    plain.set()
    yield beside_sync("`async with lock:` uncontended", lock, both, 3, effort)
    yield beside_asyncio((ASYNC_WITH, asyncio.Lock()), (ASYNC_WITH, lock), effort)
    operation = "`await acquire_async()` + `release()`"
    yield beside_sync(operation, lock, (ACQUIRE, ACQUIRE_ASYNC), None, effort)
    yield beside_sync("`async with rlock:`", rlock, both, None, effort)
    yield beside_sync("`async with semaphore:`", semaphore, both, None, effort)
    yield beside_asyncio((ASYNC_WITH, asyncio.Semaphore(1)), (ASYNC_WITH, semaphore), effort)
    operation = "`await event.wait_async()` on a set event"
    yield beside_sync(operation, event, ("x.wait()", "await x.wait_async()"), None, effort)
    yield beside_asyncio(("await x.wait()", plain), ("await x.wait_async()", event), effort)
