"""From events to slices: what each thread waited for and held, when, and who let whom go on."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, replace

from latchwork.profiling.journal import (
    ACQUIRED,
    ENDINGS,
    HOLDING,
    RELEASED,
    SIGNALLED,
    Journal,
    Primitive,
    Row,
    Thread,
)

WORTH_SHOWING = 2000
"""A wait of less (ns) was none: as LW_CONTENDED_NS."""


@dataclass(slots=True)
class Slice:
    """A stretch of a thread's time; ns."""

    pid: int
    thread: int
    kind: str  # wait, hold, signal; of a hand-off: release, woken
    row: Row
    begin: int
    end: int
    ending: str
    lane: int = 0
    then: "Slice | None" = None
    """A wait: what was held after it."""

    @property
    def primitive(self) -> Primitive:
        return self.row.primitive


@dataclass(frozen=True, slots=True)
class HandOff:
    """One let the other go on.

    Two slices that begin when that was: readers take an arrow to lead from the slice that began first.
    """

    giver: Slice
    taker: Slice


def slices(journals: tuple[Journal, ...]) -> list[Slice]:
    """Those of all processes."""
    end = max((journal.last for journal in journals), default=0)
    found: list[Slice] = []
    left: list[Slice] = []
    for journal in journals:
        _of_journal(journal, found, left)
    _end_what_is_left(journals, found, left, end)
    return found


def _of_journal(journal: Journal, found: list[Slice], left: list[Slice]) -> None:
    """Its slices; and holds of which no release is recorded, which may have been elsewhere."""
    held: dict[int, Slice] = {}
    for event in journal.events:
        row, thread = journal.rows[event.row], journal.threads[event.thread].id
        ending = ENDINGS[event.ending]
        after = event.at + event.took
        if event.what == RELEASED:
            hold = held.pop(event.hold, None)
            if hold is None:  # it was acquired before the room was over
                hold = Slice(journal.pid, thread, "hold", row, 0, 0, "released")
                hold.begin = event.at - event.took
            hold.end, hold.ending = event.at, "released"
            found.append(hold)
            continue
        if event.what == SIGNALLED:
            found.append(Slice(journal.pid, thread, "signal", row, event.at, after, ending))
            continue
        wait = None
        if event.took >= WORTH_SHOWING or event.ending or row.primitive.kind == "Barrier":
            wait = Slice(journal.pid, thread, "wait", row, event.at, after, ending)
            found.append(wait)
        if event.what == ACQUIRED and event.hold:
            hold = Slice(journal.pid, thread, "hold", row, after, 0, "still held")
            held[event.hold] = hold
            if wait is not None:
                wait.then = hold
    for hold in held.values():
        if _is_known_to_last(journal, hold):
            left.append(hold)
    for waiting in journal.threads:
        if waiting.waiting is not None:
            left.append(_unfinished(journal, waiting, waiting.waiting))


def _unfinished(journal: Journal, thread: Thread, row: Row) -> Slice:
    return Slice(journal.pid, thread.id, "wait", row, thread.since, 0, "still waits")


def _is_known_to_last(journal: Journal, hold: Slice) -> bool:
    """Permits that nobody owns are signals: the release may be anybody's, and no event may follow."""
    if hold.primitive.kind == "Semaphore":
        return False
    return not (journal.dropped and hold.row.mode in HOLDING)


def _end_what_is_left(
    journals: tuple[Journal, ...], found: list[Slice], left: list[Slice], end: int
) -> None:
    """A hold without a release ends when another one has it, or its process says no more."""
    last = {journal.pid: journal.last for journal in journals}
    ended = {journal.pid for journal in journals if journal.ended is not None}
    begins: dict[Primitive, list[int]] = defaultdict(list)
    for one in (*found, *left):
        if one.kind == "hold" and one.row.mode != "permit":
            begins[one.primitive].append(one.begin)
        elif one.kind == "signal" and one.primitive.exclusive:
            begins[one.primitive].append(one.begin)  # its release, by another one
    for times in begins.values():
        times.sort()
    for one in left:
        one.end = max(last[one.pid] if one.pid in ended else end, one.begin)
        if one.kind == "hold" and one.row.mode in ("held", "write"):
            times = begins[one.primitive]
            after = bisect_left(times, one.begin + 1)
            if after < len(times):
                one.end, one.ending = min(one.end, times[after]), "released elsewhere, or abandoned"
        found.append(one)


def hand_offs(found: list[Slice]) -> list[HandOff]:
    """Who let those go on that waited: the last release, or signal, that falls into their wait.

    Their lanes must have been given.
    """
    gives: dict[Primitive, list[tuple[int, Slice]]] = defaultdict(list)
    for one in found:
        if one.kind == "hold" and one.ending != "still held":
            gives[one.primitive].append((one.end, one))
        elif one.kind == "signal":
            gives[one.primitive].append((one.begin, one))
        elif one.primitive.kind == "Barrier" and one.ending == "had":
            gives[one.primitive].append((one.begin, one))  # the one that comes last
    for some in gives.values():
        some.sort(key=lambda give: give[0])
    met = []
    releases: dict[int, Slice] = {}  # one may let many go on
    for one in found:
        if one.kind == "wait" and one.ending == "had":
            give = _giver(gives.get(one.primitive, []), one)
            if give is not None:
                giver = releases.setdefault(id(give[1]), _release(*give))
                met.append(HandOff(giver, _woken(one)))
    return met


def _release(moment: int, giver: Slice) -> Slice:
    if giver.kind != "hold":
        return giver
    # Inside of what is held: the end of a slice is not part of it.
    begin = max(giver.begin, moment - 1)
    return replace(giver, kind="release", begin=begin, end=begin + 1)


def _woken(wait: Slice) -> Slice:
    if wait.then is not None and wait.then.end > wait.then.begin:
        return wait.then
    return replace(wait, kind="woken", begin=wait.end, end=wait.end + 1)


def _giver(gives: list[tuple[int, Slice]], wait: Slice) -> tuple[int, Slice] | None:
    before = bisect_left(gives, wait.end, key=lambda give: give[0])
    if before == 0 or gives[before - 1][0] <= wait.begin:
        return None
    return gives[before - 1]


def lanes(found: list[Slice]) -> list[Slice]:
    """Give each slice a lane of its thread in which slices nest: a lock may be released before an inner
    one, and the tasks of a thread hold what they like.

    Sorted; a slice that would cross another one goes to the next lane.
    """
    threads: dict[tuple[int, int], list[list[Slice]]] = defaultdict(list)
    placed = sorted(found, key=lambda one: (one.pid, one.thread, one.begin, -one.end))
    for one in placed:
        stacks = threads[one.pid, one.thread]
        for stack in stacks:
            while stack and stack[-1].end <= one.begin:
                stack.pop()
        fits = [not stack or one.end <= stack[-1].end for stack in stacks]
        one.lane = fits.index(True) if True in fits else len(stacks)
        if one.lane == len(stacks):
            stacks.append([])
        stacks[one.lane].append(one)
    return placed


__all__ = ["HandOff", "Slice", "hand_offs", "lanes", "slices"]
