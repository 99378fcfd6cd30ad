"""Files and directories: whatever is not certainly ours is refused, never crashed on."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys

import pytest

import latchwork
from latchwork import _core, cleaning, program
from latchwork.errors import CorruptError, InvalidNameError, KindError, LatchworkError, VersionError


@pytest.fixture
def here(arenas, monkeypatch):
    monkeypatch.setenv("LATCHWORK_DIR", str(arenas))
    return arenas


def use(namespace):
    with contextlib.suppress(KeyError):
        program._namespaces.pop(namespace)
    return latchwork.Lock(name="n", namespace=namespace)


@pytest.mark.parametrize("name", ["", "a/b", "/", "x" * 201, "nul\0"])
def test_a_name_that_can_not_be_one_is_refused(name):
    with pytest.raises(InvalidNameError):
        latchwork.Lock(name=name)
    with pytest.raises(InvalidNameError):
        latchwork.Event(name="n", namespace=name)


def test_a_namespace_needs_a_name():
    with pytest.raises(InvalidNameError, match="both"):
        latchwork.Lock(namespace="n")
    with pytest.raises(TypeError):
        latchwork.Lock(name=3)


def test_a_name_of_another_kind_is_refused():
    event = latchwork.Event(name="an event")
    with pytest.raises(KindError, match="another kind"):
        latchwork.Lock(name="an event")
    assert not event.is_set()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", CorruptError),
        (b"x", CorruptError),
        (b"#!/bin/sh\n" * 1000, CorruptError),
        (os.urandom(1 << 16), CorruptError),
        (struct.pack("<QI", _core.MAGIC, 77) + bytes(1 << 20), VersionError),
        (struct.pack("<QI", _core.MAGIC, _core.LAYOUT_VERSION), CorruptError),
        (struct.pack("<QI", _core.MAGIC, _core.LAYOUT_VERSION) + bytes(5000), CorruptError),
        (struct.pack("<QI", _core.MAGIC, _core.LAYOUT_VERSION) + bytes(32 << 20), VersionError),
    ],
)
def test_a_foreign_file_is_refused_and_left_as_it_is(here, content, error):
    path = here / "namespace-foreign"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(error, match="namespace-foreign"):
        use("foreign")
    cleaning.clean()
    assert path.read_bytes() == content


def test_a_truncated_arena_is_refused(here, run):
    run("import latchwork; latchwork.Event(name='e', namespace='cut').set()")
    path = here / "namespace-cut"
    size = path.stat().st_size
    for length in (size - 64, 2 << 20, 4096, 100, 9):
        os.truncate(path, length)
        with pytest.raises(LatchworkError):
            use("cut")


def older(path):
    """Make an arena look like one of an earlier version."""
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", _core.LAYOUT_VERSION - 1))


def test_an_arena_of_an_earlier_version_that_nobody_uses_is_replaced(run, arenas):
    run("import latchwork; latchwork.Event(name='e', namespace='old').set()")
    (path,) = arenas.rglob("namespace-old")
    older(path)
    assert (
        run("import latchwork; print(latchwork.Event(name='e', namespace='old').is_set())")
        == "False"
    )


def test_an_arena_of_an_earlier_version_that_somebody_uses_is_refused(run, arenas):
    run("import latchwork; latchwork.Event(name='e', namespace='old').set()")
    (path,) = arenas.rglob("namespace-old")
    older(path)
    with open(path) as user:
        fcntl.flock(user, fcntl.LOCK_SH)
        done = run("import latchwork; latchwork.Event(name='e', namespace='old')", check=False)
    assert "VersionError" in done.stderr
    assert path.exists()


def test_an_arena_of_another_layout_is_refused(here, run):
    run("import latchwork; latchwork.Event(name='e', namespace='old').set()")
    with open(here / "namespace-old", "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", 99))
    with pytest.raises(VersionError, match="another version"):
        use("old")


def test_a_link_is_never_followed(here, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (here / "namespace-link").symlink_to(target)
    with pytest.raises(CorruptError, match="is a link"):
        use("link")
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: os.mkfifo(path, 0o600)])
def test_what_is_no_regular_file_is_refused(here, make):
    make(here / "namespace-odd")
    with pytest.raises(CorruptError, match="regular file"):
        use("odd")


def test_a_file_that_others_may_read_is_refused(here, run):
    run("import latchwork; latchwork.Event(name='e', namespace='open').set()")
    (here / "namespace-open").chmod(0o644)
    with pytest.raises(CorruptError, match="others"):
        use("open")


def test_a_directory_that_others_may_write_to_is_refused(run, arenas):
    arenas.chmod(0o777)
    done = run("import latchwork; latchwork.Lock()", check=False)
    assert "UnsafeDirectoryError" in done.stderr
    assert "chmod 700" in done.stderr
    assert not list(arenas.iterdir())


def test_a_directory_that_is_a_link_is_refused(run, arenas, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(arenas)
    done = run("import latchwork; latchwork.Lock()", check=False, LATCHWORK_DIR=str(link))
    assert "UnsafeDirectoryError" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's directory")
def test_another_users_directory_is_refused(run, arenas):
    os.chown(arenas, 12345, 12345)
    done = run("import latchwork; latchwork.Lock()", check=False)
    assert "UnsafeDirectoryError" in done.stderr
    assert "another user" in done.stderr


def test_files_are_for_their_user_only(run, tmp_path):
    fresh = tmp_path / "fresh"
    run(
        "import latchwork, os, stat\n"
        "os.umask(0)\n"
        "lock = latchwork.Lock()\n"
        "home = os.environ['LATCHWORK_DIR']\n"
        "assert stat.S_IMODE(os.stat(home).st_mode) == 0o700\n"
        "for name in os.listdir(home):\n"
        "    assert stat.S_IMODE(os.stat(f'{home}/{name}').st_mode) == 0o600\n",
        LATCHWORK_DIR=str(fresh),
    )
    assert not fresh.exists()


def in_mount_namespace(mount, source, **env):
    """As root, or in a user namespace; skip where neither is allowed."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare(1) here")
    how = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if subprocess.run([*how, "true"], capture_output=True).returncode:
        pytest.skip("no private mount namespace to be had here")
    environment = {key: value for key, value in os.environ.items() if key != "LATCHWORK_DIR"}
    return subprocess.run(
        [*how, "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", source],
        env={**environment, "TMPDIR": "/var/tmp", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


USE = """
import os, latchwork
from latchwork import program
def work():
    lock = latchwork.Lock()
    with lock:
        pid = os.fork()
        if pid == 0:
            os._exit(lock.acquire(block=False))
        assert os.waitpid(pid, 0)[1] == 0
    print(program.place_of(program.arena()).path.startswith("/dev/shm"))
work()
"""


@pytest.mark.parametrize(
    "mount",
    [
        "mount -t tmpfs -o ro none /dev/shm",
        "mount -t tmpfs -o size=64k none /dev/shm",
    ],
    ids=["read-only", "full"],
)
def test_another_directory_is_taken_if_dev_shm_can_not_be_used(mount):
    done = in_mount_namespace(mount, USE)
    assert done.stdout.strip() == "False", done.stderr


def test_a_clear_error_says_what_to_set_if_none_can_be_used(tmp_path):
    done = in_mount_namespace(
        f"mount -t tmpfs -o size=64k none {tmp_path}", USE, LATCHWORK_DIR=f"{tmp_path}/a"
    )
    assert "NoRoomError" in done.stderr
    assert "LATCHWORK_DIR" in done.stderr


GROW = """
import latchwork
from latchwork.errors import NoRoomError
def fill():
    made = []
    try:
        while True:
            made.append(latchwork.Lock())
    except NoRoomError as error:
        assert "LATCHWORK_DIR" in str(error)
    assert len(made) > 1000
    assert all(lock.acquire(block=False) for lock in made)
    made.clear()
    again = [latchwork.Event() for _ in range(1000)]
    print("fine")
fill()
"""


def test_a_directory_that_fills_up_is_an_error_not_a_bus_error(tmp_path):
    done = in_mount_namespace(
        f"mount -t tmpfs -o size=1m none {tmp_path}", GROW, LATCHWORK_DIR=f"{tmp_path}/a"
    )
    assert done.stdout.strip() == "fine", (done.returncode, done.stderr)


def test_a_limit_of_address_space_is_no_hindrance(run):
    source = "import resource; resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
    assert run(source + "import latchwork\nwith latchwork.Lock(): print('fine')") == "fine"


def test_all_errors_of_our_own_have_one_base():
    from latchwork import errors

    for name in errors.__all__:
        assert issubclass(getattr(errors, name), LatchworkError | Warning)
