"""Reading the journal of one process: the file's format is described in ``_native/lw_journal.h``.

It may be read while its process goes on, and after that was killed: what had not been finished then is
not counted in the file, or left out here.
"""

import os
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from latchwork.errors import CorruptError, VersionError
from latchwork.sites import place

MAGIC = 0x6C6E6A6B7774616C
VERSION = 1
SUFFIX = ".journal"

_HEADER = struct.Struct("<QIIIIqqqQ4I")
_SECTION = struct.Struct("<4I")
_THREAD = struct.Struct("<IIqII")
_PRIMITIVE = struct.Struct("<16s8I")
_SITE = struct.Struct("<6I")
_ROW = struct.Struct("<4I10Q")
_EVENT = struct.Struct("<qqIIIBBH")
_STRIDES = (1, *(one.size for one in (_THREAD, _PRIMITIVE, _SITE, _ROW, _EVENT)))

MODES = ("held", "read", "write", "permit", "wait", "signal")
HOLDING = frozenset(MODES[:4])
ENDINGS = ("had", "timed out", "interrupted", "failed")
ACQUIRED, RELEASED, WAITED, SIGNALLED = 1, 2, 3, 4


class Primitive(NamedTuple):
    """One of the things that are waited for: the same in every process."""

    arena: str
    slot: int
    generation: int
    kind: str
    name: str | None
    place: str | None

    @property
    def title(self) -> str:
        """How it is called, as ``latchwork.inspect`` calls it."""
        if not self.kind:
            return "(beyond the room in the journal)"
        if self.name is not None:
            return f"{self.kind} {self.name!r}"
        return f"{self.kind} at {self.place}" if self.place else f"{self.kind} {self.id}"

    @property
    def id(self) -> str:
        """Tells it from all others."""
        return f"{self.arena[:8]}:{self.slot}.{self.generation}"

    @property
    def exclusive(self) -> bool:
        """Whether one at a time has it."""
        return self.kind in ("Lock", "RLock")


class Site(NamedTuple):
    """A line of Python that waits."""

    file: str
    function: str
    line: int

    def __str__(self) -> str:
        if not self.file:
            return "(beyond the room in the journal)"
        return f"{os.path.basename(self.file)}:{self.line} in {self.function}"


@dataclass(frozen=True, slots=True)
class Row:
    """The sums of one primitive at one site, in one mode; times in ns."""

    primitive: Primitive
    site: Site
    mode: str
    count: int
    contended: int
    waited: int
    waited_max: int
    timed_out: int
    interrupted: int
    failed: int
    held: int
    held_time: int
    held_max: int


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread, and what it waited for when the journal was read or its process was killed."""

    id: int
    name: str
    waiting: Row | None
    since: int


class Event(NamedTuple):
    """One record; times in ns of the monotonic clock, which all processes of the machine share."""

    at: int
    took: int
    row: int
    hold: int
    thread: int
    ending: int
    what: int


@dataclass(frozen=True, slots=True)
class Journal:
    """What one process has recorded."""

    path: str
    pid: int
    parent: int
    program: str
    process: str
    began: int
    began_at: int
    """The same moment, in ns since the epoch."""
    ended: int | None
    """None: it runs, or was killed."""
    dropped: int
    """Events that found no room; the sums have them."""
    threads: tuple[Thread, ...]
    rows: tuple[Row, ...]
    events: tuple[Event, ...] = field(repr=False)

    @property
    def last(self) -> int:
        """The last sign of life that is recorded."""
        ends = (self.ended or self.began, *(event.at + event.took for event in self.events[-64:]))
        return max(*ends, *(thread.since for thread in self.threads))


def read(path: str) -> Journal | None:
    """The journal in a file; None if its process has not got so far as to begin it.

    ``CorruptError`` for what is none, or was cut off or changed; ``VersionError`` for another version's.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _parse(path, data)
    except (struct.error, IndexError):
        raise CorruptError(f"{path} is no whole journal of Latchwork's: remove it") from None


class _Sections:
    """Checked access to the parts of a file."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.parts: list[tuple[int, int, int]] = []  # offset, stride, used
        for i, expected in enumerate(_STRIDES):
            offset, stride, capacity, used = _SECTION.unpack_from(
                data, _HEADER.size + i * _SECTION.size
            )
            self.parts.append((offset, stride, used))
            self.check(stride == expected and used <= capacity)
            self.check(used == 0 or offset + used * stride <= len(data))

    def check(self, sound: bool) -> None:
        if not sound:
            raise CorruptError(f"{self.path} is no whole journal of Latchwork's: remove it")

    def text(self, offset: int, length: int) -> str:
        begin, _, used = self.parts[0]
        self.check(offset + length <= used)
        return self.data[begin + offset : begin + offset + length].decode("utf-8", "replace")

    def records(self, which: int, layout: struct.Struct) -> list[tuple[int, ...]]:
        offset, stride, used = self.parts[which]
        return list(layout.iter_unpack(memoryview(self.data)[offset : offset + stride * used]))


def _parse(path: str, data: bytes) -> Journal | None:
    if not data.strip(b"\0"):
        return None
    magic, version, size, pid, parent, began, began_at, ended, dropped, *texts = (
        _HEADER.unpack_from(data)
    )
    if magic == 0 and version == 0:
        return None
    if magic != MAGIC:
        raise CorruptError(f"{path} is not a journal of Latchwork's: remove it")
    if version != VERSION or size != _HEADER.size + len(_STRIDES) * _SECTION.size:
        raise VersionError(f"{path} was written by another version of Latchwork: read it with that")
    parts = _Sections(path, data)
    sites = [
        Site(parts.text(*record[0:2]), parts.text(*record[2:4]), record[4])
        for record in parts.records(3, _SITE)
    ]
    primitives = [_primitive(parts, record) for record in parts.records(2, _PRIMITIVE)]
    rows = tuple(
        Row(primitives[one], sites[site], MODES[mode], *sums)
        for one, site, mode, _, *sums in parts.records(4, _ROW)
    )
    events = tuple(
        Event(*record[:7]) for record in parts.records(5, _EVENT) if _is_whole(parts, record)
    )
    parts.check(all(event.row < len(rows) for event in events))
    threads = tuple(
        Thread(tid, parts.text(offset, length), rows[waiting] if waiting else None, since)
        for tid, waiting, since, offset, length in parts.records(1, _THREAD)
    )
    parts.check(all(event.thread < len(threads) for event in events))
    program, process = parts.text(*texts[:2]), parts.text(*texts[2:])
    return Journal(
        *(path, pid, parent, program, process, began, began_at, ended or None, dropped),
        *(threads, rows, events),
    )


def _is_whole(parts: _Sections, record: tuple[int, ...]) -> bool:
    """One that a kill has cut off says nothing."""
    parts.check(record[6] <= SIGNALLED and record[5] < len(ENDINGS))
    return record[6] != 0


def _primitive(parts: _Sections, record: tuple[int, ...]) -> Primitive:
    arena: bytes = record[0]  # type: ignore[assignment]
    slot, generation, kind, kind_length, name, name_length, named, _ = record[1:]
    text = parts.text(name, name_length) or None
    return Primitive(
        *(arena.hex(), slot, generation, parts.text(kind, kind_length)),
        name=text if named else None,
        place=None if named or text is None else place(text),
    )


def changed_at(path: str) -> float:
    """By which runs are sorted; 0 for one that has been removed meanwhile."""
    try:
        return os.path.getmtime(path)
    except OSError:
        return 0
