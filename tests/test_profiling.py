"""What is recorded: each primitive, each way to end, every start method, threads, tasks; or nothing."""

import asyncio
import importlib
import inspect
import os
import signal
import threading

import pytest

import latchwork
from latchwork import profiling
from latchwork.primitives import __all__ as KINDS
from latchwork.profiling import recording
from latchwork.profiling.journal import ACQUIRED, RELEASED, read
from latchwork.profiling.merging import newest


@pytest.fixture
def recorded(tmp_path):
    """Record this process; a function that reads the lines of what it did, by title and mode."""
    directory = profiling.start(tmp_path / "profile")

    def lines():
        found = {}
        for line in profiling.load(directory).lines:
            found.setdefault((line.primitive.split()[0], line.mode), []).append(line)
        return found

    yield lines
    profiling.stop()


def only(found, kind, mode):
    (line,) = found[kind, mode]
    return line


def own_methods():
    classes = [getattr(latchwork, kind) for kind in KINDS] + [latchwork._core.Hold]
    return {
        (cls.__name__, name): inspect.getattr_static(cls, name)
        for cls in classes
        for name in dir(cls)
        if not name.startswith("__") or name.endswith(("enter__", "exit__"))
    }


def test_off_nothing_stands_between_a_lock_and_its_caller(tmp_path):
    def functions():
        return {
            where: str(getattr(method, "__doc__", None)) for where, method in own_methods().items()
        }

    before, texts = own_methods(), functions()
    profiling.start(tmp_path)
    assert functions() == texts, "a replaced method is documented as the first one"
    profiling.stop()
    after = own_methods()
    assert set(after) == set(before)
    for where, method in after.items():
        assert type(method) is type(before[where])
        if inspect.isfunction(method):
            assert method is before[where]
    assert recording.where() is None
    assert recording.ENVIRONMENT not in os.environ
    with latchwork.Lock():
        assert os.listdir(tmp_path) == [os.path.basename(newest_or_first(tmp_path))]


def newest_or_first(path):
    (only_one,) = path.iterdir()
    assert not list(only_one.iterdir()), "a process that does nothing writes nothing"
    return only_one


def test_each_way_to_acquire_and_release_is_one_line_a_call_site(recorded):
    lock, line = latchwork.Lock(), inspect.currentframe().f_lineno
    for _ in range(3):
        with lock:
            pass
    for _ in range(2):
        lock.acquire(block=False)
        lock.release()
    first, second = sorted(recorded()["Lock", "held"], key=lambda line: line.site)
    assert (first.count, second.count) == (3, 2)
    assert first.site.endswith("in test_each_way_to_acquire_and_release_is_one_line_a_call_site")
    assert f"test_profiling.py:{line + 2} " in first.site
    assert f"test_profiling.py:{line + 5} " in second.site
    assert first.held > 0
    assert first.held_max <= first.held


def test_a_name_and_a_place_are_the_titles(recorded, tmp_path, monkeypatch):
    with latchwork.Lock(name="a name"):
        pass
    path = tmp_path / "placed.py"
    path.write_text("import latchwork\nlock = latchwork.Lock()\nwith lock:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("placed")
    titles = {line.primitive for line in recorded()["Lock", "held"]}
    assert titles == {"Lock 'a name'", "Lock at placed.py:2"}


def test_a_wait_that_ends_without_it_says_how(recorded):
    lock, event = latchwork.Lock(), latchwork.Event()
    lock.acquire()
    lock.acquire(timeout=0.01)
    lock.release()
    with pytest.raises(latchwork.NotHeldError):
        lock.release()
    with pytest.raises(TypeError):
        event.wait("soon")

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    with pytest.raises(KeyboardInterrupt):
        event.wait()
    signal.signal(signal.SIGALRM, before)
    rwlock = latchwork.RWLock()
    rwlock.acquire_write()
    with pytest.raises(TimeoutError), rwlock.read(timeout=0):
        pass
    lines = recorded()
    assert only(lines, "RWLock", "read").timed_out == 1
    had, timed_out = lines["Lock", "held"][::-1]
    assert (had.count, had.timed_out) == (1, 0)
    assert (timed_out.count, timed_out.timed_out) == (0, 1)
    assert 0.01 <= timed_out.waited < 5
    failed, interrupted = sorted(lines["Event", "wait"], key=lambda line: line.waited)
    assert (failed.failed, failed.interrupted) == (1, 0)
    assert (interrupted.failed, interrupted.interrupted) == (0, 1)
    assert interrupted.waited >= 0.01


def test_an_rlock_is_held_once_however_often_it_is_taken(recorded):
    lock = latchwork.RLock()
    with lock, lock, lock:
        pass
    total = recorded()["RLock", "held"]
    assert sum(line.count for line in total) == 3
    (journal,) = profiling.load(recording.where()).journals
    assert [event.what for event in journal.events] == [ACQUIRED, RELEASED]


def test_a_condition_does_not_hold_its_lock_while_it_waits(recorded):
    condition = latchwork.Condition()
    with condition:
        with condition:
            condition.wait(0.05)
        assert condition._is_owned()
    lines = recorded()
    wait = only(lines, "Condition", "wait")
    assert wait.timed_out == 1
    assert wait.waited >= 0.05
    held = lines["RLock", "held"]
    assert sum(line.held for line in held) < 0.05
    (journal,) = profiling.load(recording.where()).journals
    holds = [event.what for event in journal.events if event.what in (ACQUIRED, RELEASED)]
    assert holds == [ACQUIRED, RELEASED, ACQUIRED, RELEASED]


def test_reads_and_writes_are_told_apart(recorded):
    rwlock = latchwork.RWLock()
    with rwlock.read():
        pass
    with rwlock.write():
        pass
    rwlock.acquire_read()
    rwlock.release_read()
    lines = recorded()
    assert [line.count for line in lines["RWLock", "read"]] == [1, 1]
    assert only(lines, "RWLock", "write").held > 0


def test_permits_that_another_thread_gives_back_are_signals(recorded):
    plain, owned = latchwork.Semaphore(1), latchwork.BoundedSemaphore(1)
    for semaphore in (plain, owned):
        semaphore.acquire()
        thread = threading.Thread(target=semaphore.release)
        thread.start()
        thread.join()
        with semaphore:
            pass
    lines = recorded()
    assert [line.count for line in lines["Semaphore", "signal"]] == [1]
    assert sum(line.held > 0 for line in lines["Semaphore", "permit"]) == 1
    assert ("BoundedSemaphore", "signal") not in lines
    assert sum(line.held > 0 for line in lines["BoundedSemaphore", "permit"]) == 2


def test_what_wakes_others_is_a_signal(recorded):
    event, latch, condition = latchwork.Event(), latchwork.Latch(2), latchwork.Condition()
    event.set()
    event.wait()
    latch.count_down(2)
    latch.wait()
    with condition:
        condition.notify()
        condition.notify_all()
    barrier = latchwork.Barrier(1)
    barrier.wait()
    lines = recorded()
    for kind in ("Event", "Latch"):
        assert only(lines, kind, "signal").count == only(lines, kind, "wait").count == 1
    assert sum(line.count for line in lines["Condition", "signal"]) == 2
    wait = only(lines, "Barrier", "wait")
    assert wait.count == 1
    assert "test_what_wakes" in wait.site, "not Latchwork's own line"


def test_tasks_are_recorded(recorded):
    lock, event, semaphore = latchwork.Lock(), latchwork.Event(), latchwork.BoundedSemaphore(1)
    rwlock, condition = latchwork.RWLock(), latchwork.Condition()

    async def first():
        async with lock, rwlock.write():
            await asyncio.sleep(0.02)

    async def second():
        async with lock:
            pass
        async with rwlock.read():
            pass
        assert await semaphore.acquire_async()
        assert not await semaphore.acquire_async(0.01)
        semaphore.release()
        event.set()
        async with condition:
            assert not await condition.wait_async(0.02)

    async def cancelled():
        with pytest.raises(asyncio.CancelledError):
            await latchwork.Event().wait_async()
        raise asyncio.CancelledError

    async def main():
        task = asyncio.create_task(cancelled())
        await asyncio.gather(first(), second(), event.wait_async())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    lines = recorded()
    held = {line.site.rpartition(".")[2]: line for line in lines["Lock", "held"]}
    assert held["first"].held >= 0.02
    assert held["second"].waited >= 0.01
    assert held["second"].contended == 1
    assert only(lines, "RWLock", "read").count == only(lines, "RWLock", "write").count == 1
    permits = lines["BoundedSemaphore", "permit"]
    assert sorted((line.count, line.timed_out) for line in permits) == [(0, 1), (1, 0)]
    assert {line.site.rpartition(".")[2] for line in permits} == {"second"}
    assert sorted((line.count, line.interrupted) for line in lines["Event", "wait"]) == [
        (0, 1),
        (1, 0),
    ]
    assert only(lines, "Condition", "wait").timed_out == 1
    assert sum(line.held for line in lines["RLock", "held"]) < 0.02


def test_a_coroutine_that_is_never_awaited_is_not_recorded(recorded):
    latchwork.Lock().acquire_async().close()
    assert recorded() == {}


def test_threads_have_rows_of_their_own(recorded):
    lock = latchwork.Lock()

    def work():
        with lock:
            pass

    threads = [threading.Thread(target=work, name=f"worker {i}") for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (journal,) = profiling.load(recording.where()).journals
    assert {thread.name for thread in journal.threads[1:]} == {f"worker {i}" for i in range(4)}
    assert len({event.thread for event in journal.events}) == 4
    assert only(recorded(), "Lock", "held").count == 4


def test_while_it_waits_its_journal_says_for_what(recorded):
    event, there = latchwork.Event(), threading.Event()

    def work():
        there.set()
        event.wait()

    thread = threading.Thread(target=work)
    thread.start()
    there.wait()
    for _ in range(1000):
        names = os.listdir(recording.where())
        path = os.path.join(recording.where(), names[0]) if names else None
        journal = read(path) if path else None
        waiting = [one for one in journal.threads if one.waiting] if journal else []
        if waiting:
            break
        thread.join(0.01)
    assert waiting[0].waiting.primitive.kind == "Event"
    event.set()
    thread.join()
    assert not [one for one in read(path).threads if one.waiting]


def test_stopped_while_a_thread_waits_and_started_again(tmp_path):
    event = latchwork.Event()
    profiling.start(tmp_path / "one")
    thread = threading.Thread(target=event.wait)
    thread.start()
    profiling.stop()
    profiling.start(tmp_path / "two")
    event.set()
    thread.join()
    profiling.stop()
    lines = profiling.load(newest(tmp_path / "two")).lines
    assert [(line.primitive.split()[0], line.mode) for line in lines] == [("Event", "signal")]


PROGRAM = """
import sys, time
import latchwork as mp

lock, ready = mp.Lock(name="build"), mp.Event()

def work():
    ready.wait()
    for _ in range(10):
        with lock:
            time.sleep(0.001)

if __name__ == "__main__":
    context = mp.get_context(sys.argv[1])
    children = [context.Process(target=work) for _ in range(3)]
    for child in children:
        child.start()
    ready.set()
    for child in children:
        child.join()
    print([child.exitcode for child in children])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_all_processes_of_a_program_are_recorded_and_its_beginner_tells(run, tmp_path, method):
    done = run(PROGRAM, method, LATCHWORK_PROFILE=str(tmp_path / "p"), check=False)
    assert done.stdout == "[0, 0, 0]\n", done.stderr
    assert done.stderr.count("Latchwork: what script") == 1
    assert "in 4 processes" in done.stderr
    profile = profiling.load(newest(tmp_path / "p"))
    assert len(profile.journals) == 4
    assert all(journal.ended for journal in profile.journals)
    (line,) = [line for line in profile.lines if line.primitive == "Lock 'build'"]
    assert (line.count, line.processes) == (30, 3)
    assert line.held >= 0.03
    assert sum(one.share for one in profile.lines) == pytest.approx(1)
    wait = next(line for line in profile.lines if line.mode == "wait")
    assert wait.primitive.startswith("Event at script")
    assert wait.count == 3


def test_a_temporary_directory_is_gone_at_the_end(run, arenas):
    done = run(PROGRAM, "fork", LATCHWORK_PROFILE="1", check=False)
    assert "Lock 'build'" in done.stderr
    assert not arenas.exists() or not [*arenas.iterdir()]


def test_a_temporary_directory_is_gone_also_if_it_was_stopped(run, arenas):
    text = (
        "import latchwork\nfrom latchwork import profiling\nfor _ in 1, 2:\n    profiling.start()\n"
    )
    text += "    with latchwork.Lock():\n        pass\n    profiling.stop()\n"
    run(text)
    assert not arenas.exists() or not [*arenas.iterdir()]


def test_directories_that_vanish_are_no_matter_and_those_in_use_stay(arenas, monkeypatch):
    monkeypatch.setenv("LATCHWORK_DIR", str(arenas))
    arenas.mkdir(exist_ok=True)
    ended, used = arenas / f"profile-{2**22}-0", arenas / f"profile-{2**22}-1"
    ended.mkdir()
    used.mkdir()
    (used / f"{os.getpid()}-1.journal").touch()
    changed_at = recording.changed_at
    monkeypatch.setattr(recording, "changed_at", lambda path: changed_at(path + "/gone"))
    recording.remove_leftovers()
    assert [*arenas.iterdir()] == [used]


@pytest.mark.parametrize("value", ["", "0", "off", "False"])
def test_off_by_the_environment(run, value):
    done = run(PROGRAM, "fork", LATCHWORK_PROFILE=value, check=False)
    assert (done.stdout, done.stderr) == ("[0, 0, 0]\n", "")


def test_a_report_on_demand(recorded):
    with latchwork.Lock(name="build"):
        pass
    text = profiling.report()
    assert "Lock 'build'" in text
    assert "in 1 process\n" in text
    profiling.stop()
    with pytest.raises(RuntimeError, match="nothing is recorded"):
        profiling.report()
