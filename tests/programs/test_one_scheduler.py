"""examples/one_scheduler.py: of several workers of a web server, exactly one runs the job."""

import importlib.util
import itertools
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from serving import get

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install latchwork[programs]")

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
WORKERS = 4
LOUD = 2.0  # milliseconds are expected; this only tells apart what waits for something else
LINE = re.compile(r"(\d+) began at ([\d.]+), ended at ([\d.]+)")


class Site:
    """The running server, and what can be seen of it from outside."""

    def __init__(self, server, log):
        self.server = server
        self.log = log
        self.errors = ""
        self.read_until("Application startup complete", WORKERS)
        self.port = int(re.search(r"running on http://127.0.0.1:(\d+)", self.errors)[1])

    def read_until(self, text, count):
        for line in self.server.stderr:
            self.errors += line
            if self.errors.count(text) == count:
                return
            if "Traceback" in line:  # uvicorn would try again and again
                break
        os.killpg(self.server.pid, signal.SIGKILL)
        pytest.fail(self.errors + self.server.communicate()[1])

    def ask(self):
        """Who answered, and who leads (None: nobody that moment)."""
        answer = json.loads(until(lambda: get(self.port)))
        owner = re.search(r"held by pid (\d+)", answer["lock"])
        return answer["worker"], owner and int(owner[1])

    def leader(self):
        return until(lambda: self.ask()[1])

    def started(self):
        """The workers that have been started so far, as far as was read."""
        return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", self.errors)]

    def replaced(self, count):
        """When uvicorn has replaced that many killed workers: the last one it started."""
        self.read_until("Application startup complete", WORKERS + count)
        return self.started()[-1]

    def runs(self):
        """Who did the job, from when until when, of each that is done."""
        whole = self.log.read_text().splitlines(keepends=True) if self.log.exists() else []
        if whole and not whole[-1].endswith("\n"):
            del whole[-1]
        found = [LINE.fullmatch(line.strip()) for line in whole]
        assert all(found), whole
        return [(int(run[1]), float(run[2]), float(run[3])) for run in found]

    def in_the_middle(self):
        """Whether somebody is in the middle of the job."""
        return self.log.exists() and not self.log.read_text().endswith("\n")

    def kill_the_leader(self):
        """Kill -9, in the middle of the job; who it was, and when."""
        leader = until(lambda: self.in_the_middle() and self.ask()[1])
        until(self.in_the_middle)
        when = time.monotonic()
        os.kill(leader, signal.SIGKILL)
        return leader, when

    def stop(self):
        """End it as a service manager does; what it wrote to its standard error."""
        self.server.send_signal(signal.SIGTERM)
        self.errors += self.server.communicate(timeout=30)[1]
        return self.errors


def until(condition):
    """The first true value of the condition."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.001)
    raise TimeoutError(condition)


def session_of(process):
    """Processes of the session that this one began."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == process.pid and fields[0] != "Z":
            found.append(int(place.name))
    return found


@pytest.fixture(params=["asyncio", "uvloop"])
def site(request, start, tmp_path):
    if request.param == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed: pip install latchwork[test]")
    server = start(
        *("-m", "uvicorn", "--workers", str(WORKERS), "--app-dir", str(EXAMPLES), "--port", "0"),
        *("--lifespan", "on", "--loop", request.param, "--no-access-log", "one_scheduler:app"),
        plain=True,
    )
    return Site(server, tmp_path / "one_scheduler.log")


def test_one_worker_leads_and_the_others_serve(site):
    leader = site.leader()
    answered = set()

    def others_have_answered():
        worker, leading = site.ask()
        assert leading == leader
        answered.add(worker)
        return len(answered - {leader}) >= 2

    until(others_have_answered)
    until(lambda: len(site.runs()) >= 10)
    assert {pid for pid, _, _ in site.runs()} == {leader}


def test_another_one_leads_when_the_leader_is_killed(site, record_property):
    killed, took = [], []
    # One is left at the end, not counting those that uvicorn has started anew.
    for _ in range(WORKERS - 1):
        leader, when = site.kill_the_leader()
        killed.append(leader)
        done = until(lambda: [run for run in site.runs() if run[0] not in killed])
        assert len({pid for pid, _, _ in done}) == 1
        took.append(done[0][1] - when)
        assert 0 < took[-1] < LOUD
    said = ", ".join(f"{1000 * one:.1f}" for one in took)
    record_property("milliseconds from a kill to the next leader's first run", said)
    print(f"from kill -9 to the next leader's first run: {said} ms")
    errors = site.stop()
    for pid in killed:
        assert f"process {pid} died while it held this lock" in errors


def test_a_worker_that_uvicorn_has_started_anew_waits_behind_the_leader(site):
    killed, _ = site.kill_the_leader()
    until(lambda: site.leader() != killed)
    leader = site.leader()
    new = site.replaced(1)
    until(lambda: site.ask()[0] == new)
    assert site.ask()[1] == leader


def test_no_run_overlaps_another_one_and_none_is_left_half_done(site):
    for killed in (1, 2):
        until(lambda: len(site.runs()) >= 2)
        site.kill_the_leader()
        site.replaced(killed)
    old = site.started()
    # It replaces one worker after the other: the job goes from hand to hand.
    site.server.send_signal(signal.SIGHUP)
    until(lambda: site.runs()[-1][0] not in old)
    errors = site.stop()
    assert errors.count("died while it held this lock") == 2
    assert not site.in_the_middle()
    for (_, _, ended), (_, began, _) in itertools.pairwise(site.runs()):
        assert ended <= began


def test_a_graceful_shutdown_leaves_nothing(site):
    """No process, no half line, no lock that was abandoned, and not a word of complaint."""
    until(lambda: len(site.runs()) >= 3)
    errors = site.stop()
    assert site.server.returncode == 0
    until(lambda: not session_of(site.server))
    assert not site.in_the_middle()
    for complaint in ("Traceback", "never retrieved", "Exception", "was destroyed", "died while"):
        assert complaint not in errors
