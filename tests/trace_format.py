"""A strict check of a trace file against the Trace Event format, as far as Latchwork uses it.

From the public description of the format: what each kind of event must have, that the slices of a thread
nest, and that each arrow leads from a slice to a slice, and not back in time.
"""

import json
from collections import defaultdict
from numbers import Real
from pathlib import Path

NEEDED = {
    "X": {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"},
    "M": {"name", "ph", "pid", "tid", "args"},
    "s": {"name", "cat", "ph", "pid", "tid", "ts", "id"},
    "f": {"name", "cat", "ph", "pid", "tid", "ts", "id", "bp"},
}
METADATA = {
    "process_name": ("name", str),
    "process_sort_index": ("sort_index", int),
    "thread_name": ("name", str),
    "thread_sort_index": ("sort_index", int),
}


def read(path: Path) -> list[dict]:
    """The events of a file that keeps to the format."""
    trace = json.loads(path.read_text(encoding="utf-8"))
    assert set(trace) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    events = trace["traceEvents"]
    for event in events:
        check_event(event)
    slices = by_thread(events)
    for thread in slices.values():
        check_nesting(thread)
    check_flows(events, slices)
    check_names(events)
    return events


def check_event(event: dict) -> None:
    assert set(event) == NEEDED[event["ph"]], event
    assert isinstance(event["pid"], int)
    assert isinstance(event["tid"], int)
    assert 0 < event["tid"] < 2**31
    for time in {"ts", "dur"} & set(event):
        assert isinstance(event[time], Real)
        assert event[time] >= 0
    if event["ph"] == "X":
        assert event["dur"] > 0
    if event["ph"] == "M":
        key, kind = METADATA[event["name"]]
        assert isinstance(event["args"][key], kind)


def ns(microseconds: float) -> int:
    return round(microseconds * 1000)


def by_thread(events: list[dict]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    threads = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            begin = ns(event["ts"])
            threads[event["pid"], event["tid"]].append((begin, begin + ns(event["dur"])))
    return threads


def check_nesting(slices: list[tuple[int, int]]) -> None:
    open_until: list[int] = []
    for begin, end in sorted(slices, key=lambda one: (one[0], -one[1])):
        while open_until and open_until[-1] <= begin:
            open_until.pop()
        assert not open_until or end <= open_until[-1], "two slices of a thread cross"
        open_until.append(end)


def check_flows(events: list[dict], slices: dict) -> None:
    ends: dict[int, dict[str, dict]] = defaultdict(dict)
    for event in events:
        if event["ph"] in "sf":
            assert event["ph"] not in ends[event["id"]], "an id is used twice"
            ends[event["id"]][event["ph"]] = event
    for pair in ends.values():
        assert set(pair) == {"s", "f"}, "an arrow without an end"
        assert pair["f"]["bp"] == "e"
        assert pair["s"]["ts"] <= pair["f"]["ts"]
        for end in pair.values():
            at = ns(end["ts"])
            inside = slices[end["pid"], end["tid"]]
            assert any(begin <= at < until for begin, until in inside), "an arrow at no slice"


def check_names(events: list[dict]) -> None:
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    for event in events:
        if event["ph"] != "M":
            assert (event["pid"], event["tid"]) in named
            assert event["pid"] in processes
