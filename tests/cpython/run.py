"""Run CPython's own tests, unmodified, on Latchwork's primitives.

    python tests/cpython/run.py [--method fork|spawn|forkserver|threads]... [--all] [pattern...]

Takes ``test._test_multiprocessing`` and ``test.lock_tests`` of the Python that runs it: the former in
processes under each of the three start methods, with everything in ``multiprocessing`` that Latchwork has
replaced by Latchwork's, the latter ("threads") with threads of one process. Without ``--all`` only the
part about primitives. A pattern is a part of ``method.Class.test``, or a whole one with ``*``.

``--baseline`` runs the same on plain multiprocessing: what it fails, Latchwork need not pass. What is
left out, and why, is in ``left_out.py``.

Exit status: 0 if nothing failed that is not left out, 1 otherwise, 77 if this Python has no ``test``.
"""

import argparse
import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import left_out

HERE = Path(__file__).resolve().parent
METHODS = ("fork", "spawn", "forkserver", "threads")
MODULES = ("test._test_multiprocessing", "test.lock_tests")
NO_TESTS = 77

# The part about primitives; the classes WithThreads… are about multiprocessing.dummy, which is threading.
PRIMITIVES = (
    "threads.*",
    *(
        f"*.With{where}Test{what}.*"
        for where in ("Processes", "Manager")
        for what in (
            *("Lock", "Semaphore", "Condition", "Event", "Barrier", "Queue"),
            *("Value", "Array", "SharedCTypes", "Pool", "PoolWorkerLifetime", "PoolWorkerErrors"),
        )
    ),
    *(
        f"*.TestSyncManagerTypes.test_{what}"
        for what in (
            *("lock", "rlock", "semaphore", "bounded_semaphore", "condition", "event", "barrier"),
            *("queue", "joinable_queue", "pool"),
        )
    ),
    "*.TestSimpleQueue.*",
)


@dataclass
class Outcomes:
    """What became of the tests of one method."""

    passed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def exists(module: str) -> bool:
    with contextlib.suppress(ModuleNotFoundError):  # its package is none
        return find_spec(module) is not None
    return False


# --- Processes: none may be left, whatever a test does.


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def is_tracker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def adopt() -> None:
    """Become the parent of what a test leaves behind, so that it can be found."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def reap() -> None:
    """Kill all that is left. Trackers end by themselves, after they have cleaned up."""
    patience = time.monotonic() + 5
    while left := descendants(os.getpid()):
        late = time.monotonic() > patience
        for pid in left:
            if late or not is_tracker(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


# --- One start method.


class Worker:
    """A process that runs tests and tells what becomes of each."""

    def __init__(self, method: str, place: Path, plain: bool, *arguments: str) -> None:
        read, write = os.pipe()
        self.log = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 (end() closes it)
        self.place = Path(tempfile.mkdtemp(dir=place))
        paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        environment = {
            **os.environ,
            "LATCHWORK_CPYTHON_METHOD": method,
            "LATCHWORK_CPYTHON_PLAIN": "1" if plain else "",
            "LATCHWORK_DIR": str(place / "arenas"),
            # It runs in a directory of its own.
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)),
            "TMPDIR": str(self.place),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), method, str(write), *arguments],
            cwd=self.place,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            pass_fds=[write],
        )
        os.close(write)
        self.pipe = read
        self.buffer = b""

    def said(self, timeout: float) -> list[dict] | None:
        """What it told; None if it said nothing for so long; [] if it has ended."""
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self.pipe, selectors.EVENT_READ)
            while True:
                # A child of it may hold the pipe open: not only the end of the file is its end.
                if selector.select(0.2):
                    read = os.read(self.pipe, 1 << 16)
                    *lines, self.buffer = (self.buffer + read).split(b"\n")
                    if lines or not read:
                        return [json.loads(line) for line in lines]
                elif self.process.poll() is not None:
                    return []
                elif time.monotonic() > end:
                    return None

    def stacks(self) -> str:
        """Where all its threads and children are."""
        before = self.log.seek(0, os.SEEK_END)
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            # Only those that have said that they want it: it would end any other.
            with contextlib.suppress(OSError, StopIteration, ProcessLookupError):
                status = Path(f"/proc/{pid}/status").read_text().splitlines()
                caught = next(line for line in status if line.startswith("SigCgt:"))
                if int(caught.split()[1], 16) >> (signal.SIGRTMIN + 4) & 1:
                    os.kill(pid, signal.SIGRTMIN + 5)
                    time.sleep(0.3)
        self.log.seek(before)
        return self.log.read().decode(errors="replace")

    def end(self) -> str:
        """End it and all that it started; what was printed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0 if self.process.stdin.closed else 10)
        reap()
        self.process.wait()
        os.close(self.pipe)
        shutil.rmtree(self.place, ignore_errors=True)
        self.log.seek(0)
        with self.log:
            return self.log.read().decode(errors="replace")


def ask(method: str, place: Path, plain: bool) -> dict:
    """Which tests there are."""
    worker = Worker(method, place, plain, "list")
    told = worker.said(60)
    printed = worker.end()
    if not told:
        sys.exit(f"the tests could not be loaded:\n{printed}")
    return told[0]


def run(
    method: str, tests: list[str], place: Path, options: argparse.Namespace, show: Callable
) -> Outcomes:
    """Run them; after a hang or a crash, the rest in another process."""
    outcomes = Outcomes()
    left = dict.fromkeys(tests)
    while left:
        before = len(left)
        worker = Worker(method, place, options.baseline, "run")
        with contextlib.suppress(BrokenPipeError), worker.process.stdin as stdin:
            stdin.write(json.dumps(list(left)).encode())
        running, last, ended, began = None, "suite", False, 0.0
        while told := worker.said(options.timeout):
            for event in told:
                if "start" in event:
                    running, began = event["start"], time.monotonic()
                    left.pop(running, None)
                elif "stop" in event:
                    last, running = running, None
                    outcomes.seconds[last] = time.monotonic() - began
                elif "end" in event:
                    ended = True
                else:
                    note(outcomes, event)
                    show(event["test"], outcomes)
                    left.pop(event["test"], None)  # Python 3.12.1 does not start what it skips
            if ended:
                break
        stacks = worker.stacks() if told is None else ""
        printed = worker.end()
        outcomes.warnings += [
            line for line in printed.splitlines() if line.startswith("Warning --")
        ]
        if ended:
            for test in left:
                note(outcomes, {"test": test, **why_not_run(test, outcomes)})
            break
        what = f"hung for {options.timeout:.0f} s" if told is None else "its process died"
        detail = f"{what}\n{stacks or printed[-5000:]}"
        culprit = running or f"{last.partition('.')[0]}.afterwards"
        if len(left) == before:  # it won't come any further the next time, either
            culprit, _ = left.popitem()
        note(outcomes, {"test": culprit, "outcome": "failed", "detail": detail})
        show(culprit, outcomes)
    return outcomes


def why_not_run(test: str, outcomes: Outcomes) -> dict:
    """What kept a test from being run: its class, or all."""
    for culprit in (f"{test.partition('.')[0]}.setUpClass", "suite.setUpModule"):
        for outcome in ("failed", "skipped"):
            if detail := getattr(outcomes, outcome).get(culprit):
                return {"outcome": outcome, "detail": detail}
    return {"outcome": "failed", "detail": "not run"}


def note(outcomes: Outcomes, event: dict) -> None:
    name, detail = event["test"], event.get("detail", "")
    match event["outcome"]:
        case "passed" if name not in outcomes.failed:
            outcomes.passed.add(name)
        case "skipped":
            outcomes.skipped[name] = detail
        case "failed":
            outcomes.passed.discard(name)
            outcomes.failed[name] = "\n".join(filter(None, (outcomes.failed.get(name), detail)))


# --- What it comes to.


def entries(which: Iterable[left_out.LeftOut]) -> list[left_out.LeftOut]:
    return [entry for entry in which if entry.since <= sys.version_info[:2] < entry.before]


def chosen(name: str, options: argparse.Namespace) -> bool:
    if fnmatchcase(name, "*.Exchange.*"):
        return True  # it gives the others their worth
    if not options.all:
        if not any(fnmatchcase(name, pattern) for pattern in PRIMITIVES):
            return False
        reasons = entries(left_out.FAILS_IN_MULTIPROCESSING + left_out.INTERNALS)
        if any(entry.slow and entry.matches(name) for entry in reasons):
            return False
    return not options.pattern or any(
        fnmatchcase(name, pattern) if "*" in pattern else pattern in name
        for pattern in options.pattern
    )


def judge(method: str, outcomes: Outcomes, all_tests: set[str], options) -> list[str]:
    """Print what is amiss; the names of what should not be as it is."""
    reasons = entries(left_out.FAILS_IN_MULTIPROCESSING)
    internals = entries(left_out.INTERNALS)
    wrong = []

    def expected(name: str, among: list[left_out.LeftOut]) -> left_out.LeftOut | None:
        return next((entry for entry in among if entry.matches(name)), None)

    for name, detail in sorted(
        (f"{method}.{test}", outcomes.failed[test]) for test in outcomes.failed
    ):
        entry = expected(name, reasons + internals)
        if options.baseline:
            # Nothing is wrong with that, but it says what Latchwork need not pass.
            print(f"  multiprocessing fails {name}")
            if entry in internals:
                print(f"STALE {name} is no matter of internals: multiprocessing fails it as well")
        elif entry is not None:
            print(f"  left out: {name}: {entry.reason}")
        else:
            wrong.append(name)
            print(f"FAILED {name}")
        if entry is None or options.verbose:
            print("    " + detail.strip().replace("\n", "\n    "))
    for name in sorted(f"{method}.{test}" for test in outcomes.passed):
        if not options.baseline:
            if (entry := expected(name, reasons + internals)) and not entry.sometimes:
                print(f"STALE {name} passes, and is left out: {entry.reason}")
        elif (entry := expected(name, reasons)) and not entry.sometimes:
            wrong.append(name)
            print(f"FAILED {name}: multiprocessing passes it, so it must not be left out")
    for entry in reasons + internals:
        where = entry.pattern.partition(".")[0]
        here = where == method or (where == "*" and method != "threads")
        if here and not any(entry.matches(f"{method}.{test}") for test in all_tests):
            print(f"STALE {entry.pattern} matches no test")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pattern", nargs="*", help="only tests whose name contains this")
    parser.add_argument("--method", action="append", choices=METHODS, help="only under this one")
    parser.add_argument("--all", action="store_true", help="all tests, not only of primitives")
    parser.add_argument("--baseline", action="store_true", help="on plain multiprocessing")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for each test (60)")
    parser.add_argument("--list", action="store_true", help="only print the names of the tests")
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="print the N slowest")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each test")
    options = parser.parse_args()
    if missing := [name for name in MODULES if not exists(name)]:
        print(
            f"{sys.executable} comes without CPython's tests: it has no {' and no '.join(missing)}"
        )
        return NO_TESTS
    adopt()
    # A clean end, also when killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    homes = (os.environ.get("LATCHWORK_DIR", ""), "/dev/shm", tempfile.gettempdir())
    home = next(home for home in homes if os.access(home, os.W_OK))
    place = Path(tempfile.mkdtemp(prefix="latchwork-cpython-", dir=home))
    (place / "arenas").mkdir(mode=0o700)
    wrong: list[str] = []
    tests = 0
    try:
        for method in options.method or METHODS:
            known = ask(method, place, options.baseline)
            chosen_ones = [test for test in known["tests"] if chosen(f"{method}.{test}", options)]
            tests += sum(not test.startswith("Exchange.") for test in chosen_ones)
            if options.list:
                print(*(f"{method}.{test}" for test in chosen_ones), sep="\n")
            else:
                wrong += one_method(method, known, chosen_ones, place, options)
    finally:
        reap()
        shutil.rmtree(place, ignore_errors=True)
    if not tests:
        print("no test matches")
    if wrong:
        print("FAILED: " + " ".join(wrong))
    return 1 if wrong or not tests else 0


def one_method(
    method: str, known: dict, tests: list[str], place: Path, options: argparse.Namespace
) -> list[str]:
    own = "multiprocessing" if options.baseline else ", ".join(known["own"])
    print(f"=== {method}: {len(tests)} tests of Python {known['python']} on: {own}", flush=True)

    def show(name: str, outcomes: Outcomes) -> None:
        if options.verbose:
            for what in ("failed", "skipped", "passed"):
                if name in getattr(outcomes, what):
                    print(f"  {what}: {method}.{name}", flush=True)
                    break

    began = time.monotonic()
    outcomes = run(method, tests, place, options, show)
    wrong = judge(method, outcomes, set(known["tests"]), options)
    for line in outcomes.warnings if options.verbose else ():
        print(f"  {line}")
    for test in sorted(outcomes.seconds, key=outcomes.seconds.get, reverse=True)[: options.slowest]:
        print(f"  {outcomes.seconds[test]:6.2f} s  {method}.{test}")
    failed = f"{len(outcomes.failed) - len(wrong)} left out, {len(wrong)} failed"
    if options.baseline:
        failed = f"{len(outcomes.failed)} failed, {len(wrong)} left out without need"
    print(
        f"=== {method}: {len(outcomes.passed)} passed, {len(outcomes.skipped)} skipped, {failed}, "
        f"{len(outcomes.warnings)} warnings, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return wrong


if __name__ == "__main__":
    sys.exit(main())
