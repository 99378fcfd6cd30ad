"""views() and find(): all that this user's processes have, and nothing is changed by the look."""

import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from actors import METHODS
from looking_on import Outsider
from party import Party

import latchwork
import latchwork.inspect
from latchwork import _core


def snapshot(folder):
    """All that there is on disk of it, but for times of access."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.stat()
        what = (about.st_ino, about.st_size, about.st_blocks, about.st_mode, about.st_mtime_ns)
        found[path.name] = (*what, path.read_bytes() if path.is_file() else None)
    return found


def look_twice(directory):
    os.environ["LATCHWORK_DIR"] = directory
    names = [
        (seen.namespace, seen.program, seen.root, len(seen.members), len(seen.primitives))
        for seen in latchwork.inspect.views()
    ]
    return names, [len(seen.members) for seen in latchwork.inspect.views()]


LIVING = """
import sys, latchwork
lock = latchwork.Lock(name="build")
event = latchwork.Event()
more = {"namespace": "more"}
rwlock, permits = latchwork.RWLock(name="r", **more), latchwork.BoundedSemaphore(3, name="s", **more)
barrier = latchwork.Barrier(2, name="b", **more)
def wait():
    permits.acquire()
    rwlock.acquire_read()
    barrier.wait()
import threading
threading.Thread(target=wait, daemon=True).start()
while not barrier.n_waiting:
    pass
with lock:
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def living(arenas, tmp_path):
    """A program that has a named lock, and an event of its own."""
    script = tmp_path / "train.py"
    script.write_text(LIVING)
    child = subprocess.Popen(
        [sys.executable, str(script)],
        # And it is not to write down where it waits while we look whether anything changes.
        env={**os.environ, "LATCHWORK_DIR": str(arenas), "LATCHWORK_LOOK_AFTER": "inf"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    yield child
    child.kill()
    child.communicate()


def test_a_look_changes_nothing_and_joins_nothing(living, arenas):
    """Neither a file, nor a byte in one: not even the table of members."""
    before = snapshot(arenas)
    stranger = Outsider()
    try:
        names, members = stranger.does(look_twice, str(arenas))
    finally:
        stranger.end()
    assert snapshot(arenas) == before
    assert sorted(names, key=str) == sorted(
        [
            ("default", None, None, 1, 1),
            ("more", None, None, 1, 3),
            (None, "train.py", living.pid, 1, 1),
        ],
        key=str,
    )
    assert members == [1, 1, 1]


def test_what_is_found_by_its_name_from_outside(living, arenas, monkeypatch):
    monkeypatch.setenv("LATCHWORK_DIR", str(arenas))
    (seen,) = latchwork.inspect.find("build")
    assert (seen.kind, seen.name, seen.namespace, seen.state) == (
        "Lock",
        "build",
        "default",
        "held",
    )
    assert (seen.owner.pid, seen.owner.program) == (living.pid, "train.py")
    assert seen.title == "Lock 'build'"
    assert latchwork.inspect.find("nothing") == []
    assert latchwork.inspect.find("build", "elsewhere") == []
    (view,) = latchwork.inspect.views("default")
    assert [member.pid for member in view.members] == [living.pid]
    assert view.members[0].since <= view.primitives[0].owner.since + 0.05
    living.kill()
    living.wait()
    assert [one.owners for one in latchwork.inspect.find("build")] in ([], [()])
    assert [view.program for view in latchwork.inspect.views()].count("train.py") == 0


CHILDREN = """
import multiprocessing, sys
import latchwork, latchwork.inspect

def hold(lock, conn):
    lock.acquire()
    conn.send("held")
    conn.recv()

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    lock = latchwork.Lock()
    child = multiprocessing.get_context(sys.argv[1]).Process(target=hold, args=(lock, there))
    child.start()
    here.recv()
    print(lock.statistics().owner.program, sys.argv[0])
    here.send("go on")
    child.join()
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_child_is_called_by_the_script_that_started_it(method, run):
    program, script = run(CHILDREN, method).split()
    assert program == os.path.basename(script)


def test_a_directory_may_be_chosen(living, arenas):
    assert latchwork.inspect.views("default", place=arenas)[0].path == str(
        arenas / "namespace-default"
    )
    assert latchwork.inspect.views(place=arenas / "not there") == []


def test_one_of_a_module_is_told_by_its_place(living, arenas):
    (view,) = [view for view in latchwork.inspect.views(place=arenas) if view.program]
    (event,) = view.primitives
    assert (event.kind, event.name, event.place) == ("Event", None, "train.py:4")
    assert event.title == "Event at train.py:4"


def test_its_own_program_is_told_as_by_others(outsider):
    lock = latchwork.Lock()
    with lock:
        view = latchwork.inspect.view()
        (theirs,) = [one for one in outsider.does(latchwork.inspect.views) if one.path == view.path]
    for one in (view, theirs):
        assert (one.namespace, one.root) == (None, os.getpid())
        assert os.getpid() in [member.pid for member in one.members]
        (seen,) = [found for found in one.primitives if found.id == lock.statistics().id]
        assert seen.owner.pid == os.getpid()
        assert seen.owner.thread == threading.get_native_id()


def test_the_members_are_those_that_live():
    before = {member.pid for member in latchwork.inspect.view().members}
    event = latchwork.Event()
    parties = [Party() for _ in range(2)]
    for party in parties:
        party.does(event, "is_set")
    assert {member.pid for member in latchwork.inspect.view().members} - before == {
        party.pid for party in parties
    }
    parties[0].gone()
    assert {member.pid for member in latchwork.inspect.view().members} - before == {parties[1].pid}
    parties[1].ends()
    parties[0].process.join()


# --- what lies about ----------------------------------------------------------------------------------


def older(path):
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", _core.LAYOUT_VERSION - 1))


def truncated(path):
    os.truncate(path, os.stat(path).st_size // 2)


def cut_to_a_page(path):
    os.truncate(path, 4096)


def emptied(path):
    os.truncate(path, 0)


def unreadable(path):
    os.chmod(path, 0o000)


def open_to_all(path):
    os.chmod(path, 0o666)


def noise(path):
    path.write_bytes(os.urandom(1 << 16))


def a_directory(path):
    path.unlink()
    path.mkdir()


def a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def a_pipe(path):
    path.unlink()
    os.mkfifo(path, 0o600)


def nonsense_in_its_header(path):
    with open(path, "r+b") as file:
        file.seek(0)
        page = bytearray(file.read(4096))
        page[160:4096] = b"\xff" * (4096 - 160)
        file.seek(0)
        file.write(page)


SPOILT = (
    *(older, truncated, cut_to_a_page, emptied, unreadable, open_to_all, noise, a_directory),
    *(a_link, a_pipe, nonsense_in_its_header),
)


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_file_that_is_no_arena_is_left_out(spoil, living, arenas):
    """Not even root can look through those that are not this user's own; and nothing hangs."""
    victim = arenas / "namespace-spoilt"
    shutil.copyfile(arenas / "namespace-default", victim)
    os.chmod(victim, 0o600)
    if spoil is unreadable and os.geteuid() == 0:
        pytest.skip("root reads all")
    spoil(victim)
    mode = victim.lstat().st_mode
    seen = latchwork.inspect.views(place=arenas)
    assert {os.path.basename(view.path) for view in seen} >= {"namespace-default"}
    assert "namespace-spoilt" not in {os.path.basename(view.path) for view in seen}
    assert len(seen) == 3
    assert victim.lstat().st_mode == mode


def look_at_nonsense(directory):
    """200 times at something else: how often the others were told."""
    victim, draw, told = Path(directory) / "namespace-spoilt", random.Random(5), 0
    shutil.copyfile(Path(directory) / "namespace-more", victim)
    os.chmod(victim, 0o600)
    slots = victim.stat().st_size - 512 * 64
    areas = [(4096, 1024), (slots, 30 * 64)]
    with open(victim, "r+b", buffering=0) as file:
        whole = [(os.pread(file.fileno(), length, at), at) for at, length in areas]
        for _ in range(200):
            for bytes_there, at in whole:
                os.pwrite(file.fileno(), bytes_there, at)
            for _ in range(draw.choice((1, 3, 30, 300))):
                first, length = draw.choice([areas[0], areas[1], areas[1]])
                number = draw.choice((0xFFFFFFFF, 0, draw.getrandbits(32), draw.randrange(40)))
                at = first + draw.randrange(0, length, 4)
                os.pwrite(file.fileno(), struct.pack("<I", number), at)
            told += len(latchwork.inspect.views(place=directory)) >= 3
    return told


def test_nonsense_in_an_arena_is_no_harm(living, arenas, outsider):
    """Whatever stands in its tables: no crash, and every other arena is told."""
    assert outsider.does(look_at_nonsense, str(arenas)) == 200


def test_a_directory_that_others_may_write_to_is_not_looked_through(living, arenas):
    os.chmod(arenas, 0o777)
    try:
        assert latchwork.inspect.views(place=arenas) == []
    finally:
        os.chmod(arenas, stat.S_IRWXU)


# --- names --------------------------------------------------------------------------------------------

STRANGE = ("with a space", "under_score", "Straße", "漢字", "a" * 200, "-", ".", "=x", "new\nline")


@pytest.mark.parametrize("name", [*STRANGE, "漢" * 200, "\udcff"])
def test_a_namespace_of_any_name_is_shown_by_it(name, outsider):
    lock = latchwork.Lock(name=name, namespace=name)
    with lock:
        (view,) = outsider.does(latchwork.inspect.views, name)
        (found,) = outsider.does(latchwork.inspect.find, name, name)
    shown = name.encode("utf-8", "replace").decode()
    assert view.namespace == shown
    assert len(found.name) in (len(name), 3 * len(name))
    if shown == name:
        assert (found.name, found.namespace) == (name, name)
    assert found.owner.pid == os.getpid()
    assert found.id == lock.statistics().id
    assert latchwork.inspect.find(name, name)[0].id == found.id


def test_a_name_that_can_not_be_is_an_error():
    for function in (latchwork.inspect.views, latchwork.inspect.find):
        with pytest.raises(latchwork.InvalidNameError):
            function("a/b")
        with pytest.raises(latchwork.InvalidNameError):
            function("")
    with pytest.raises(latchwork.InvalidNameError):
        latchwork.inspect.find("fine", "not/fine")
    with pytest.raises(TypeError):
        latchwork.inspect.find(3)


def test_one_that_was_unlinked_is_there_without_its_name(outsider):
    lock = latchwork.Lock(name="to be unlinked", namespace="unlinking")
    again = latchwork.Lock(name="to be unlinked", namespace="unlinking")
    lock.acquire()
    assert lock.statistics().id == again.statistics().id
    again.unlink()
    assert outsider.does(latchwork.inspect.find, "to be unlinked", "unlinking") == []
    (view,) = outsider.does(latchwork.inspect.views, "unlinking")
    (seen,) = view.primitives
    assert (seen.name, seen.state) == (None, "held")
    lock.release()


def test_named_ones_are_not_told_by_the_place_where_they_were_made():
    lock = latchwork.Lock(name="made here")
    (seen,) = latchwork.inspect.find("made here")
    assert (seen.name, seen.place, seen.namespace) == ("made here", None, "default")
    assert seen.id == lock.statistics().id
