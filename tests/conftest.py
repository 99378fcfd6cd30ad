"""A directory of arenas for this run only, and a reaper: no test leaves a process or a file behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Run in the background by some shells, it would ignore Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports latchwork: these tests neither see nor touch the user's own primitives.
_shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_home = tempfile.mkdtemp(prefix="latchwork-test-", dir=_shm)
os.environ["LATCHWORK_DIR"] = _home
os.environ["LATCHWORK_TEST_DIR"] = _home


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getoption("dist") == "loadfile":
        from sharing_out import Dealer

        return Dealer(config, log)
    return None


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):  # a process of xdist's
        from sharing_out import longest_first

        longest_first(items)


def children(pid: int) -> list[int]:
    """Living children of a process, as /proc tells them."""
    found = []
    with contextlib.suppress(OSError):  # it may end meanwhile
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


@pytest.fixture(autouse=True)
def reaper():
    """Kill every process that a test started and left, whatever happened."""
    before = set(descendants(os.getpid()))
    yield
    import multiprocessing

    for _ in range(50):
        left = [pid for pid in descendants(os.getpid()) if pid not in before]
        trackers = [pid for pid in left if _is_tracker(pid)]
        left = [pid for pid in left if pid not in trackers]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        multiprocessing.active_children()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _is_tracker(pid: int) -> bool:
    """multiprocessing's own helpers, which live as long as this process."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"resource_tracker" in command or b"forkserver" in command


def pytest_sessionfinish(session):
    if os.environ.get("LATCHWORK_TEST_DIR") == _home:
        shutil.rmtree(_home, ignore_errors=True)


@pytest.fixture
def no_net():
    """Take the re-check away from this process and those it forks: a missed wake-up is a hang."""
    from latchwork import _core

    _core.recheck_first(1000)
    yield
    _core.recheck_first(0.02)


@pytest.fixture
def arenas(tmp_path_factory):
    """A directory of arenas of its own, for programs that a test starts."""
    path = tempfile.mkdtemp(prefix="latchwork-test-", dir=_shm)
    yield Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def run(arenas, tmp_path):
    """Run a script as a program of its own; what it printed."""

    def run(source: str, *args: str, timeout: float = 60, check: bool = True, **env: str):
        script = tmp_path / f"script{len(list(tmp_path.iterdir()))}.py"
        script.write_text(source)
        environment = {**os.environ, "LATCHWORK_DIR": str(arenas), **env}
        done = subprocess.run(
            [sys.executable, str(script), *args],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip() if check else done

    return run


@pytest.fixture
def setting():
    """The program's settings, as they were afterwards."""
    import latchwork

    yield latchwork.configure
    latchwork.configure(deadlock="warn", look_after=1.0)


@pytest.fixture
def quick(setting):
    """With looks that come soon."""
    from deadlock_scenes import QUICK

    setting(look_after=QUICK)
    return setting


@pytest.fixture
def scene(tmp_path):
    """Processes that come to wait for each other, and what they are told."""
    from deadlock_scenes import Scene

    scene = Scene(tmp_path / "told")
    yield scene
    scene.end()


@pytest.fixture(scope="module")
def outsider():
    """One who looks on, and has no part in any program."""
    from looking_on import Outsider

    outsider = Outsider()
    yield outsider
    outsider.end()


@pytest.fixture
def nobody_waiting():
    """Nobody waits in this program, before and after."""
    from looking_on import waiting
    from remote import until

    from latchwork import program

    program.arena()
    assert waiting() == []
    yield
    until(lambda: waiting() == [])


@pytest.fixture(scope="session")
def crash_build(tmp_path_factory):
    """The package, built so that it can be stopped at every CRASH mark."""
    build = tmp_path_factory.mktemp("crash-build")
    done = subprocess.run(
        [
            *(sys.executable, "setup.py", "-q", "build"),
            *("--build-base", str(build / "base"), "--build-lib", str(build / "lib")),
        ],
        cwd=ROOT,
        env={**os.environ, "LATCHWORK_CRASH_POINTS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return build / "lib"
