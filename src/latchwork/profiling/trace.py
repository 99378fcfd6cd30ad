"""A profile as a trace file: JSON in the Trace Event format, which Perfetto and chrome://tracing open.

One track a process, with a row for each thread: what it waits for and holds are slices (``X``), and an
arrow (``s``, ``f``) leads from the release to the wait that it ended.
"""

import json
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from latchwork.profiling.journal import Journal
from latchwork.profiling.merging import Profile
from latchwork.profiling.slices import Slice, hand_offs, lanes, slices

_LANES = 1 << 23
"""Threads of the trace that are none: beyond all ids that the kernel gives (4,194,304)."""

_Event = dict[str, Any]
_MARKERS = frozenset({"release", "woken"})


def events(profile: Profile) -> Iterator[_Event]:
    """What stands in the file."""
    found = lanes(slices(profile.journals))
    base = min((journal.began for journal in profile.journals), default=0)
    base = min((one.begin for one in found), default=base) if found else base
    rows = _Rows(profile.journals)
    yield from chain.from_iterable(map(_of_process, range(len(profile.journals)), profile.journals))
    yield from rows.names(found)
    met = hand_offs(found)
    both = {id(one): one for pair in met for one in (pair.giver, pair.taker)}
    markers = [one for one in both.values() if one.kind in _MARKERS]
    # A reader takes those of one moment in the order in which they stand here: slices before arrows.
    for one in chain(found, markers):
        yield _of_slice(one, base, rows.tid(one))
    for number, pair in enumerate(met, 1):
        common = {"name": "hand-off", "cat": "hand-off", "id": number}
        yield common | {"ph": "s"} | _at(pair.giver, base, rows)
        yield common | {"ph": "f", "bp": "e"} | _at(pair.taker, base, rows)


def write(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Write the trace to a file, which is replaced; OSError if that can't be.

    Not promised: events that were dropped (``Profile.dropped``), which only the sums have.
    """
    told = {
        "program": profile.program,
        "processes": len(profile.journals),
        "dropped": profile.dropped,
    }
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit": "ns", "otherData": ' + json.dumps(told))
        file.write(', "traceEvents": [\n')
        _write_list(file.write, events(profile))
        file.write("\n]}\n")


def _write_list(write: Any, found: Iterable[_Event]) -> None:
    between = ""
    for one in found:
        write(between + json.dumps(one, ensure_ascii=False, separators=(",", ":")))
        between = ",\n"


def _us(ns: int) -> float:
    """Microseconds, as the format has it, to the nanosecond."""
    return round(ns / 1000, 3)


def _at(one: Slice, base: int, rows: "_Rows") -> _Event:
    return {"ts": _us(one.begin - base), "pid": one.pid, "tid": rows.tid(one)}


class _Rows:
    """The rows of the trace: threads, and further lanes of them."""

    def __init__(self, journals: Iterable[Journal]) -> None:
        self._extra: dict[tuple[int, int, int], int] = {}
        self._thread_names = {
            (journal.pid, thread.id): thread.name
            for journal in journals
            for thread in journal.threads
        }

    def tid(self, one: Slice) -> int:
        """The id of the slice's row."""
        if not one.lane and one.thread:
            return one.thread
        key = (one.pid, one.thread, one.lane)
        return self._extra.setdefault(key, _LANES + len(self._extra))

    def names(self, found: Iterable[Slice]) -> Iterator[_Event]:
        """What they are called, and in which order they stand."""
        told = set()
        for one in found:
            if (one.pid, tid := self.tid(one)) in told:
                continue
            told.add((one.pid, tid))
            name = self._thread_names.get((one.pid, one.thread)) or f"thread {one.thread}"
            if not one.thread:
                name = "other threads"
            if one.lane:
                name += f" (also, {one.lane})"
            meta = {"ph": "M", "pid": one.pid, "tid": tid}
            yield meta | {"name": "thread_name", "args": {"name": name}}
            order = (one.thread - one.pid) * 64 + one.lane
            yield meta | {"name": "thread_sort_index", "args": {"sort_index": order}}


def _of_process(place: int, journal: Journal) -> Iterator[_Event]:
    meta = {"ph": "M", "pid": journal.pid, "tid": journal.pid}
    name = f"{journal.process} ({journal.program})"
    yield meta | {"name": "process_name", "args": {"name": name}}
    yield meta | {"name": "process_sort_index", "args": {"sort_index": place}}


def _of_slice(one: Slice, base: int, tid: int) -> _Event:
    verbs = {"wait": "wait for ", "release": "release ", "woken": "had "}
    name = f"{verbs.get(one.kind, '')}{one.primitive.title}"
    if one.kind == "signal" or one.row.mode in ("read", "write"):
        name += {"signal": ": signal", "read": ": read", "write": ": write"}[one.row.mode]
    site = one.row.site
    return {
        **{"ph": "X", "name": name, "cat": one.kind, "pid": one.pid, "tid": tid},
        **{"ts": _us(one.begin - base), "dur": _us(max(one.end - one.begin, 1))},
        "args": {
            **{"where": str(site), "file": f"{site.file}:{site.line}"},
            **{"primitive": one.primitive.title, "id": one.primitive.id, "ending": one.ending},
        },
    }
