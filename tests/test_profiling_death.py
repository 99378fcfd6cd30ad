"""What a kill, a fork, a full journal or a broken file leaves of what was recorded."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import threading

import pytest

import latchwork
from latchwork import profiling
from latchwork.errors import CorruptError, VersionError
from latchwork.profiling import journal as format
from latchwork.profiling import merging, recording, slices

KILLED = """
import os, signal, sys, time
import latchwork as mp

lock, event, ready = mp.Lock(name="held"), mp.Event(name="never"), mp.Semaphore(0)

def holder():
    lock.acquire()
    ready.release()
    time.sleep(600)

def waiter():
    ready.release()
    event.wait()

def take_it():
    with lock:
        pass

def asleep(child):
    return open(f"/proc/{child.pid}/stat").read().rpartition(")")[2].split()[0] == "S"

if __name__ == "__main__":
    context = mp.get_context("fork")
    victims = [context.Process(target=target) for target in (holder, waiter)]
    for victim in victims:
        victim.start()
    ready.acquire()
    ready.acquire()
    while not all(map(asleep, victims)):
        time.sleep(0.001)
    time.sleep(0.02)
    for victim in victims:
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    child = context.Process(target=take_it)
    child.start()
    child.join()
    print(*(victim.pid for victim in victims), child.pid)
    if sys.argv[1:]:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_has_told_what_it_held_and_waited_for(run, tmp_path):
    done = run(KILLED, LATCHWORK_PROFILE=str(tmp_path / "p"), check=False)
    holder, waiter, taker = map(int, done.stdout.split())
    assert "in 4 processes" in done.stderr
    profile = profiling.load(merging.newest(tmp_path / "p"))
    ended = {journal.pid: journal.ended is not None for journal in profile.journals}
    assert (ended[holder], ended[waiter], ended[taker]) == (False, False, True)
    found = {(one.pid, one.kind): one for one in slices.slices(profile.journals)}
    taken = found[taker, "hold"]
    held = found[holder, "hold"]
    assert held.primitive.title == "Lock 'held'"
    assert held.ending == "released elsewhere, or abandoned"
    assert held.end == taken.begin
    assert held.end - held.begin >= 20_000_000
    waited = found[waiter, "wait"]
    assert (waited.primitive.title, waited.ending) == ("Event 'never'", "still waits")
    assert waited.end - waited.begin >= 20_000_000


def test_the_journals_outlive_a_program_that_was_killed(run, arenas, tmp_path):
    done = run(KILLED, "all", LATCHWORK_PROFILE="1", check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = [path for path in arenas.iterdir() if path.name.startswith(recording.TEMPORARY)]
    profile = profiling.load(left)
    assert "Lock 'held'" in {line.primitive for line in profile.lines}
    assert len(profile.journals) == 4
    # The next one that records cleans up.
    run("import latchwork", LATCHWORK_PROFILE="1")
    assert not left.exists()


HAMMER = """
import os, sys, latchwork
lock = latchwork.Lock(name="hammered")
print(os.getpid(), flush=True)
while True:
    with lock:
        pass
"""


def test_killed_at_any_moment_the_journal_is_whole(arenas, tmp_path):
    environment = {
        **os.environ,
        "LATCHWORK_DIR": str(arenas),
        "LATCHWORK_PROFILE": str(tmp_path / "p"),
        "LATCHWORK_PROFILE_EVENTS": "1000000",
    }
    for count in (1, 1000, 100_000):
        hammer = subprocess.Popen(
            [sys.executable, "-c", HAMMER], env=environment, stdout=subprocess.PIPE
        )
        assert hammer.stdout is not None
        hammer.stdout.readline()
        while _events_of(tmp_path / "p", hammer.pid) < count:
            assert hammer.poll() is None
        hammer.kill()
        hammer.wait()
        hammer.stdout.close()
        (path,) = (tmp_path / "p").glob(f"*/{hammer.pid}-*.journal")
        journal = format.read(path)
        (row,) = [row for row in journal.rows if row.count]
        acquired = sum(event.what == format.ACQUIRED for event in journal.events)
        released = sum(event.what == format.RELEASED for event in journal.events)
        assert acquired <= row.count <= acquired + 1
        assert released <= row.held <= released + 1
        assert released <= acquired <= released + 1
        assert journal.ended is None


def _events_of(base, pid):
    """How many have been counted so far."""
    header = bytearray(format._HEADER.size + 6 * format._SECTION.size)
    for path in base.glob(f"*/{pid}-*.journal"):
        with open(path, "rb") as file:
            if file.readinto(header) == len(header):
                return format._SECTION.unpack_from(header, len(header) - format._SECTION.size)[3]
    return 0


def test_a_fork_while_others_record_is_safe_and_gets_a_journal_of_its_own(tmp_path):
    directory = profiling.start(tmp_path)
    lock, stop = latchwork.Lock(), threading.Event()
    inner = latchwork.RLock()

    def hammer():
        while not stop.is_set():
            with lock:
                pass

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = []
    with inner:
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                own = latchwork.Lock(name=f"of {os.getpid()}")
                for _ in range(100):
                    with own:
                        pass
                os._exit(0)
            children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    profiling.stop()
    journals = {journal.pid: journal for journal in profiling.load(directory).journals}
    assert set(journals) == {os.getpid(), *children}
    for pid in children:
        (row,) = [row for row in journals[pid].rows if row.count]
        assert (row.primitive.name, row.count, row.held) == (f"of {pid}", 100, 100)
    assert not [row for row in journals[os.getpid()].rows if row.primitive.name]


def test_a_full_journal_drops_events_and_no_sums(tmp_path, monkeypatch):
    monkeypatch.setenv("LATCHWORK_PROFILE_EVENTS", "100")
    directory = profiling.start(tmp_path)
    lock = latchwork.Lock()
    for _ in range(1000):
        with lock:
            pass
    text = profiling.report()
    profiling.stop()
    profile = profiling.load(directory)
    assert profile.dropped == 1900
    assert profile.events == 100
    assert profile.lines[0].count == 1000
    assert "1,900 events were dropped" in text


def test_a_long_trace_is_not_made_at_the_end_of_the_program(run, tmp_path):
    source = (
        "import latchwork\nfrom latchwork.profiling import table\n"
        "table.AT_ONCE = 10\nlock = latchwork.Lock()\n"
        "for _ in range(6):\n    with lock:\n        pass\n"
    )
    done = run(source, LATCHWORK_PROFILE=str(tmp_path / "p"), check=False)
    assert done.returncode == 0
    directory = merging.newest(tmp_path / "p")
    assert f"latchwork trace {directory} -o trace.json" in done.stderr
    assert "trace.json" not in os.listdir(directory)


def test_beyond_the_room_for_rows_all_is_one_row(tmp_path):
    directory = profiling.start(tmp_path)
    locks = [latchwork.Lock() for _ in range(3000)]
    for lock in locks:
        with lock:
            pass
    profiling.stop()
    profile = profiling.load(directory)
    assert sum(line.count for line in profile.lines if line.mode == "held") == 3000
    assert any(line.primitive.startswith("(beyond the room") for line in profile.lines)


def test_no_space_for_more_events_is_no_death(tmp_path):
    source = (
        "import latchwork, resource\n"
        "lock = latchwork.Lock(name='made before')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 21, 1 << 21))\n"
        "from latchwork import profiling\n"
        f"directory = profiling.start({str(tmp_path)!r})\n"
        "for _ in range(100_000):\n"
        "    with lock: pass\n"
        "profile = profiling.load(directory)\n"
        "assert profile.dropped > 100_000, profile\n"
        "assert profile.lines[0].count == 100_000\n"
    )
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


def test_a_program_that_closes_all_descriptors_goes_on(tmp_path):
    directory = profiling.start(tmp_path)
    lock, path = latchwork.Lock(), tmp_path / "another"
    with lock:
        pass
    name = next(iter(os.listdir(directory)))
    found = os.stat(os.path.join(directory, name))
    other = os.open(path, os.O_RDWR | os.O_CREAT)
    (fd,) = [fd for fd in map(int, os.listdir("/proc/self/fd")) if _is(fd, found)]
    os.dup2(other, fd)
    for _ in range(20_000):
        with lock:
            pass
    profiling.stop()
    os.fstat(fd)
    os.close(fd)
    os.close(other)
    assert path.stat().st_size == 0, "it wrote into a file that is not its own"
    assert profiling.load(directory).dropped > 0


def _is(fd, found):
    try:
        return os.path.samestat(os.fstat(fd), found)
    except OSError:
        return False


@pytest.fixture
def a_journal(tmp_path):
    directory = profiling.start(tmp_path / "p")
    with latchwork.Lock():
        pass
    profiling.stop()
    (name,) = os.listdir(directory)
    path = tmp_path / name
    shutil.copy(os.path.join(directory, name), path)
    return path


def change(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_what_is_no_journal_is_refused_by_name(a_journal):
    whole = a_journal.read_bytes()
    assert len(format.read(a_journal).events) == 2
    header = format._HEADER.size
    for offset, data in (
        (0, b"something"),  # the magic
        (header + 4, struct.pack("<I", 7)),  # a stride
        (header + 12, struct.pack("<I", 2**31)),  # used
        (header, struct.pack("<I", 2**31)),  # an offset
    ):
        a_journal.write_bytes(whole)
        change(a_journal, offset, data)
        with pytest.raises(CorruptError, match="journal"):
            format.read(a_journal)
    for length in (20, header, len(whole) // 2):
        a_journal.write_bytes(whole[:length])
        with pytest.raises(CorruptError, match="no whole journal"):
            format.read(a_journal)
    a_journal.write_bytes(whole)
    change(a_journal, 8, struct.pack("<I", 99))
    with pytest.raises(VersionError, match="another version"):
        format.read(a_journal)


def test_an_impossible_event_is_refused_and_a_torn_one_left_out(a_journal):
    offset = format._SECTION.unpack_from(
        a_journal.read_bytes(), format._HEADER.size + 5 * format._SECTION.size
    )[0]
    last = offset + format._EVENT.size
    whole = a_journal.read_bytes()
    change(a_journal, last + 29, b"\0")  # its `what`, which is written last
    assert [event.what for event in format.read(a_journal).events] == [format.ACQUIRED]
    change(a_journal, last + 29, b"\x77")
    with pytest.raises(CorruptError):
        format.read(a_journal)
    a_journal.write_bytes(whole)
    change(a_journal, last + 16, struct.pack("<I", 4000))  # its row
    with pytest.raises(CorruptError):
        format.read(a_journal)


def test_one_that_has_not_begun_is_none(tmp_path):
    (tmp_path / "1-2.journal").write_bytes(b"")
    (tmp_path / "1-3.journal").write_bytes(bytes(4096))
    assert profiling.load(tmp_path).journals == ()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CorruptError, match="holds no journals"):
        merging.newest(empty)
