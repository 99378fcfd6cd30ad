"""Facts out of arenas: what the core surveys, in the words of the model.

Nobody is held up by it, and nothing is changed: an arena is mapped without its lock, and without
becoming a member.
"""

import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from threading import get_native_id
from typing import Any, NamedTuple

from latchwork import _core, directory, sites
from latchwork import program as programs_arena
from latchwork.errors import GoneError
from latchwork.inspect import threads
from latchwork.inspect.model import Member, Owner, Statistics, View, Waiter
from latchwork.inspect.programs import program as program_of
from latchwork.whereabouts import read as read_note

TASK = 0x80000000
STAMPS = 1 << 32  # after so many hundredths of a second, 497 days, a stamp comes round
STEPPED = 100 * 86400  # so far the clock may have been set back since a stamp was made
WANTS = ("acquire", "read", "write", "wait")
SET, BROKEN, RUNNING = 1, 2, 3
_KIND = {"LOCK": "Lock", "RLOCK": "RLock", "EVENT": "Event", "LATCH": "Latch", "RWLOCK": "RWLock"}
_KIND |= {"CONDITION": "Condition", "BARRIER": "Barrier"}


class Row(NamedTuple):
    """One who waits, as the core says it."""

    slot: int
    generation: int
    pid: int
    thread: int
    task: int
    is_task: bool
    wants: int
    since_ns: int
    until_ns: int | None
    note: bytes

    @property
    def wait(self) -> tuple[int, ...]:
        """Tells this wait from all others."""
        return self.slot, self.generation, self.pid, self.thread, self.task, self.since_ns


class Found(NamedTuple):
    """A primitive, as the core says it."""

    slot: int
    generation: int
    kind: int
    name: bytes | None
    state: int
    value: int
    limit: int
    bounded: bool
    deaths: int
    deadlock: int
    holdings: list[tuple[int, int, int, int, bool]]
    chosen: list[int]

    @property
    def place(self) -> tuple[int, int]:
        """Where in the arena."""
        return self.slot, self.generation


class Reader:
    """Reads one arena, and knows each process's name only once."""

    def __init__(self, arena: "_core.Arena", namespace: str | None) -> None:
        self.arena, self.namespace = arena, namespace
        self.uuid = arena.uuid.hex()[:8]
        self.taken = 0.0
        self.program: Callable[[int], str] = functools.cache(program_of)

    def rows(self) -> list[Row]:
        """All who wait."""
        return [Row(*row) for row in self.arena.waiting()]

    def statistics(
        self, places: Iterable[tuple[int, int]] | None, rows: list[Row]
    ) -> Iterator[Statistics]:
        """Of the primitives at these places; None: of all.

        Of those who were seen to wait they have who still does after the look at the primitives: so
        nobody is told to wait for what it has got meanwhile.
        """
        seen = self.arena.survey(None if places is None else list(places))
        still = {row.wait for row in self.rows()} if rows else set()
        self.taken = time.time()  # after all that was seen, so that nothing began later
        waiting: dict[tuple[int, int], list[Row]] = {}
        for row in rows:
            if row.wait in still:
                waiting.setdefault((row.slot, row.generation), []).append(row)
        for found in seen:
            one = Found(*found)
            yield self._statistics(one, waiting.get(one.place, []))

    def members(self) -> Iterator[Member]:
        """The living members."""
        for pid, age_ns in self.arena.roster():
            yield Member(pid, self.program(pid), time.time() - age_ns / 1e9)

    def _statistics(self, found: Found, rows: list[Row]) -> Statistics:
        kind, key = _kind(found), found.name
        name = text(key) if key and self.namespace is not None else None
        condition = None if name is None else self._condition_of(name)
        owners = self._owners(kind, found)
        waiters = self._waiters(kind, found, rows)
        value, limit = _numbers(kind, found, len(waiters))
        return Statistics(
            kind=kind,
            name=name if condition is None else None,
            namespace=self.namespace,
            place=sites.place(text(key)) if key and self.namespace is None else None,
            id=f"{self.uuid}:{found.slot}.{found.generation}",
            state=_state(kind, found, value, owners, waiters),
            value=value,
            limit=limit,
            owners=owners,
            waiters=waiters,
            abandoned=found.deaths,
            taken=self.taken,
            lock_of=condition,
        )

    def _condition_of(self, name: str) -> str | None:
        """The name of the Condition whose lock is called so."""
        place = sites.condition_of(name)
        if place is None:
            return None
        texts = [found.name for found in map(Found._make, self.arena.survey([place]))]
        return text(texts[0]) if texts and texts[0] else None

    def _owners(self, kind: str, found: Found) -> tuple[Owner, ...]:
        if kind not in ("Lock", "RLock"):
            return self._sharers(kind, found)
        return tuple(
            Owner(
                pid=pid,
                thread=_thread(pid, who, kind),
                program=self.program(pid),
                since=self._since(stamp),
                count=count,
                exclusive=kind == "RLock",
                task=who & ~TASK if who & TASK and kind == "RLock" else None,
            )
            for pid, who, stamp, count, _ in found.holdings
        )

    def _sharers(self, kind: str, found: Found) -> tuple[Owner, ...]:
        """A process may be counted at several places."""
        held: dict[tuple[int, str], tuple[int, float | None]] = {}
        for pid, _, stamp, count, write in found.holdings:
            mode = "held" if kind != "RWLock" else "write" if write else "read"
            before, since = held.get((pid, mode), (0, None))
            now = self._since(stamp)
            earliest = min((at for at in (since, now) if at is not None), default=None)
            held[pid, mode] = before + count, earliest
        return tuple(
            Owner(pid, None, self.program(pid), since, count, mode)
            for (pid, mode), (count, since) in held.items()
        )

    def _since(self, stamp: int) -> float | None:
        """The last time that a stamp can mean."""
        if stamp == 0:
            return None
        now = int(self.taken * 100)
        age = (now - stamp) % STAMPS
        return (now - age) / 100 if age < STAMPS - STEPPED else self.taken

    def _waiters(self, kind: str, found: Found, rows: list[Row]) -> tuple[Waiter, ...]:
        rows = sorted(rows, key=lambda row: (row.since_ns, row.pid, row.thread))
        if kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "RWLock"):
            for pid in found.chosen:  # granted, and not awake yet
                served = next((row for row in rows if row.pid == pid), None)
                if served is not None:
                    rows.remove(served)
        if kind in ("Lock", "RLock"):
            rows = [row for row in rows if not _has_it(row, found)]
        return tuple(map(self._waiter, rows))

    def _waiter(self, row: Row) -> Waiter:
        name, stack = read_note(row.note)
        return Waiter(
            pid=row.pid,
            thread=row.thread,
            program=self.program(row.pid),
            since=min(row.since_ns / 1e9, self.taken),
            wants=WANTS[row.wants] if row.wants < len(WANTS) else "wait",
            until=None if row.until_ns is None else row.until_ns / 1e9,
            is_task=row.is_task,
            task=row.task & ~TASK or None,
            thread_name=name,
            stack=stack,
        )


def _has_it(row: Row, found: Found) -> bool:
    """Whether it has what it waits for, and was interrupted before it could take its entry away.

    One that waits for its own Lock does so asleep, or looks around just now.
    """
    if (row.pid, row.thread) == (os.getpid(), get_native_id()):
        return False
    mine = any((pid, who) == (row.pid, row.thread) for pid, who, *_ in found.holdings)
    return mine and not row.is_task and threads.runs(row.pid, row.thread)


def text(name: bytes) -> str:
    """A name as it is shown, whatever it is made of."""
    return name.decode("utf-8", "replace")


def _kind(found: Found) -> str:
    kind = _core.KINDS[found.kind]
    return _KIND.get(kind) or ("BoundedSemaphore" if found.bounded else "Semaphore")


def _thread(pid: int, who: int, kind: str) -> int | None:
    """The thread that owns. What an ended thread acquired is its process's, but for an RLock."""
    if who == 0 or who & TASK:
        return None
    return who if kind == "RLock" or os.access(f"/proc/{pid}/task/{who}", os.F_OK) else None


def _numbers(kind: str, found: Found, waiting: int) -> tuple[int | None, int | None]:
    if kind == "Semaphore" and _core.KINDS[found.kind] == "SEMAPHORE":
        return found.value, None
    if kind in ("Semaphore", "BoundedSemaphore"):
        # Whoever comes now goes behind those who wait.
        return (0 if waiting and found.holdings else found.value), found.limit
    if kind in ("Latch", "Barrier"):
        return found.value, found.limit
    return None, None


def _state(
    kind: str,
    found: Found,
    value: int | None,
    owners: tuple[Owner, ...],
    waiters: tuple[Waiter, ...],
) -> str:
    if kind == "Event":
        return "set" if found.state == SET else "clear"
    if kind == "Latch":
        return "closed" if value else "open"
    if kind == "Barrier":
        return {BROKEN: "broken", RUNNING: "running"}.get(found.state, "filling")
    if kind == "Condition":
        return "waiting" if waiters or found.value else "idle"
    if kind in ("Semaphore", "BoundedSemaphore"):
        return "available" if value else "exhausted"
    if kind == "RWLock":
        return owners[0].mode if owners else "free"
    return "held" if owners else "free"


def view_of(
    path: str, arena: "_core.Arena", *, only_waited: bool = False, members: bool = True
) -> View:
    """What there is in one arena; ``only_waited``: of the primitives, those that somebody waits for."""
    label = arena.label
    reader = Reader(arena, label if arena.persistent else None)
    rows = reader.rows()
    places = sorted({(row.slot, row.generation) for row in rows}) if only_waited else None
    root = arena.root()
    living = tuple(reader.members()) if members else ()
    primitives = tuple(reader.statistics(places, rows))
    return View(
        namespace=reader.namespace,
        program=None if arena.persistent else label,
        root=root if root > 0 else None,
        path=path,
        members=living,
        primitives=primitives,
        taken=reader.taken,
    )


def look(path: str, **how: Any) -> View | None:
    """What there is in the arena of that file; None if it can't be read, or nobody uses it any more."""
    with directory.looked_into(path) as arena:
        return None if arena is None else view_of(path, arena, **how)


def statistics_of(primitive: Any) -> Statistics:
    """What one primitive of this process is doing. GoneError."""
    primitive._name()  # which says so if it is gone
    place = programs_arena.place_of(primitive._arena)
    reader = Reader(place.arena, place.namespace)
    rows = [row for row in reader.rows() if (row.slot, row.generation) == primitive._place]
    for one in reader.statistics([primitive._place], rows):
        return one
    raise GoneError("this primitive no longer exists")
