"""Primitives, owners and waiters in a few words."""

from latchwork.cli.ages import age
from latchwork.cli.output import printable
from latchwork.inspect import Node, Owner, Statistics, View, Waiter

MAIN_THREAD = "main thread"
MAIN = "MainThread"  # what Python calls it, unless somebody else does


def process(pid: int, program: str) -> str:
    """``pid 4242 (train.py)``."""
    return f"pid {pid} ({printable(program)})" if program else f"pid {pid}"


def node(who: Node, program: str) -> str:
    """Somebody who waits or owns. A main thread has the number of its process: that is said once."""
    told = process(who.pid, program)
    if who.kind == "process" or (who.kind == "thread" and who.number == who.pid):
        return told
    if who.kind == "tasks":
        return f"a task in thread {who.number} of {told}"
    return f"{who.kind} {who.number} of {told}"


def thread(waiter: Waiter) -> str:
    """The one that waits, beside its process."""
    name = waiter.thread_name
    if waiter.thread == waiter.pid and name in (None, MAIN):
        return MAIN_THREAD
    return f"thread {waiter.thread}" + (f" ({printable(name)})" if name else "")


def where(view: View) -> str:
    """The namespace, or the process that began the program."""
    if view.namespace is not None:
        return printable(view.namespace)
    program = printable(view.program or "")
    return f"{view.root} ({program})" if program else str(view.root or "?")


def called(primitive: Statistics) -> str:
    """Without its kind: its name, whose it is, the place where it was made, or its number."""
    if primitive.lock_of is not None:
        return printable(f"of {primitive.lock_of}")
    return printable(primitive.name or primitive.place or primitive.id)


def state(primitive: Statistics) -> str:
    """The state, with the number that belongs to it."""
    value, limit = primitive.value, primitive.limit
    if primitive.kind in ("Semaphore", "BoundedSemaphore") and value is not None:
        return f"{value} of {limit} free" if limit is not None else f"{value} free"
    if primitive.kind == "Latch" and value:
        return f"{value} to go"
    if primitive.kind == "Barrier" and primitive.state == "filling" and value is not None:
        return f"{value} of {limit} there"
    return primitive.state


def owners(primitive: Statistics, most: int = 3) -> str:
    """Who holds it: pids and programs."""
    told = [_owner(one) for one in primitive.owners[:most]]
    left = len(primitive.owners) - len(told)
    return ", ".join(told) + (f" and {left} more" if left > 0 else "")


def _owner(owner: Owner) -> str:
    program = f" ({printable(owner.program)})" if owner.program else ""
    return f"{owner.pid}{program}" + (f" x{owner.count}" if owner.count > 1 else "")


def held_for(primitive: Statistics) -> float | None:
    """For how long its oldest owner has had it."""
    since = [one.since for one in primitive.owners if one.since is not None]
    return primitive.taken - min(since) if since else None


def longest_wait(primitive: Statistics) -> float | None:
    """For how long its first waiter has waited."""
    since = [one.since for one in primitive.waiters]
    return primitive.taken - min(since) if since else None


def how_often(number: int) -> str:
    """``once``, ``3 times``."""
    return "once" if number == 1 else f"{number} times"


def until(waiter: Waiter, taken: float) -> str:
    """What a timeout leaves of a wait."""
    return "" if waiter.until is None else f", {age(waiter.until - taken)} left of its timeout"


def some(number: int, one: str, many: str | None = None) -> str:
    """``1 waiter``, ``3 waiters``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
