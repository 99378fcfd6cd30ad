"""One process, and nobody in its way."""

import threading
from collections.abc import Iterator
from typing import Any

from latchwork.bench.measuring import (
    FORK,
    OURS,
    RIVALS,
    Effort,
    Row,
    seconds,
    statement_row,
    time_statement,
    unrivalled_row,
)

WITH = "with x:\n pass"
ACQUIRE = "x.acquire(); x.release()"


def locks(effort: Effort) -> Iterator[Row]:
    made = (FORK.Lock(), OURS.Lock())
    yield statement_row("`with lock:` uncontended", WITH, made, 2.5, effort)
    yield beside_threading(made[1], effort)
    yield statement_row("`acquire()` + `release()`", ACQUIRE, made, 1.2, effort)
    made = (FORK.RLock(), OURS.RLock())
    yield statement_row("`with rlock:`", WITH, made, 2.5, effort)
    for rlock in made:
        rlock.acquire()
    yield statement_row("`with rlock:` by the thread that has it", WITH, made, 2.5, effort)


def beside_threading(lock: Any, effort: Effort) -> Row:
    """No target: between threads alone there is no cheaper lock than the interpreter's own."""
    theirs, ours = time_statement(WITH, (threading.Lock(), lock), effort)
    plain = f"{seconds(theirs)} (threading)"
    row = Row("the same, beside `threading.Lock`", plain, seconds(ours), f"{theirs / ours:.2f}")
    return row._replace(numbers=(theirs, ours), unit="s")


def events(effort: Effort) -> Iterator[Row]:
    made = (FORK.Event(), OURS.Event())
    yield statement_row("`event.is_set()`", "x.is_set()", made, 20, effort)
    statement = "x.set(); x.clear()"
    yield statement_row("`set()` + `clear()`, nobody waits", statement, made, 12, effort)
    for event in made:
        event.set()
    yield statement_row("`event.wait()` on a set event", "x.wait()", made, 15, effort)


def semaphores(effort: Effort) -> Iterator[Row]:
    for kind, targets in (("Semaphore", (1.2, 2.5)), ("BoundedSemaphore", (None, None))):
        made = (getattr(FORK, kind)(2), getattr(OURS, kind)(2))
        yield statement_row(f"{kind} `acquire()` + `release()`", ACQUIRE, made, targets[0], effort)
        yield statement_row(f"{kind} `with`", WITH, made, targets[1], effort)


def conditions(effort: Effort) -> Iterator[Row]:
    made = (FORK.Condition(), OURS.Condition())
    for condition in made:
        condition.acquire()
    yield statement_row("`condition.notify()`, nobody waits", "x.notify()", made, 4, effort)


def without_a_rival(effort: Effort) -> Iterator[Row]:
    rwlock, latch = OURS.RWLock(), OURS.Latch(2**31 - 1)
    yield unrivalled_row("`with rwlock.read():`", "with x.read():\n pass", rwlock, effort)
    yield unrivalled_row("`with rwlock.write():`", "with x.write():\n pass", rwlock, effort)
    statement = "x.acquire_read(); x.release_read()"
    yield unrivalled_row("`acquire_read()` + `release_read()`", statement, rwlock, effort)
    yield unrivalled_row("`latch.count_down()`", "x.count_down()", latch, effort)


def creation(effort: Effort) -> Iterator[Row]:
    # The statement runs inside of timeit's function, so each one is new and not the program's one.
    calls = (("Lock()", 10), ("Event()", 40), ("Condition()", 20), ("Barrier(2)", 20))
    for call, target in calls:
        operation = f"creating and dropping a `{call}`"
        yield statement_row(operation, f"x.{call}", RIVALS, target, effort)


def managers(effort: Effort) -> Iterator[Row]:
    with FORK.Manager() as theirs, OURS.Manager() as ours:
        made = (theirs.Event(), ours.Event())
        yield statement_row("`Manager().Event().is_set()`", "x.is_set()", made, 500, effort)
        made = (theirs.Lock(), ours.Lock())
        yield statement_row("`with manager_lock:`", WITH, made, 300, effort)


PARTS = (locks, events, semaphores, conditions, without_a_rival, creation, managers)
