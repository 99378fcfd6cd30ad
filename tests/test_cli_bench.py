"""`latchwork bench`: a table for people, numbers for programs, and a part that fails stops no other."""

import json

import pytest

pytest.importorskip("click")

from click.testing import CliRunner

from latchwork import bench
from latchwork.bench import alone, deaths, measuring
from latchwork.cli.bench import command


def broken(effort):
    raise RuntimeError("this machine has no such thing")
    yield


@pytest.fixture
def called(monkeypatch):
    """Call it with some parts only; its exit status, and what it wrote."""

    def called(*words, parts):
        monkeypatch.setattr(bench, "PARTS", parts)
        done = CliRunner().invoke(command, words, standalone_mode=False)
        assert done.exception is None, done.output
        return done.return_value, done.output

    return called


def test_numbers_for_programs(called):
    status, out = called("--quick", "--json", parts=(alone.events, alone.without_a_rival))
    found = json.loads(out)
    assert status == 0
    assert found["failed"] == []
    for row in found["rows"]:
        assert row["unit"] == "s"
        assert 1e-9 < row["latchwork"] < 1e-3
    theirs = {row["operation"]: row["multiprocessing"] for row in found["rows"]}
    assert theirs["`event.is_set()`"] > 0
    assert theirs["`latch.count_down()`"] is None


def test_a_part_that_fails_is_told_and_the_others_are_measured(called):
    status, out = called("--quick", parts=(broken, alone.events))
    assert status == 1
    assert "no such thing" in out
    assert "`event.is_set()`" in out
    status, out = called("--quick", "--json", parts=(broken,))
    assert status == 1
    assert "no such thing" in json.loads(out)["failed"][0]


def test_who_never_gets_it_has_no_number(monkeypatch):
    monkeypatch.setattr(deaths, "LIMIT", 0.05)
    took = iter([0.05, 0.001, 0.002, 0.003])
    effort = measuring.Effort(1, 0.1, 1, 1, 1, 1, kills=3)
    middle, late = deaths.rows("killed", lambda context, timeout: next(took), 0.005, effort)
    assert (middle.theirs, middle.numbers) == ("never", (None, 0.002))
    assert late.operation == "- 2 of 3 within"
    assert late.met == "yes"


@pytest.mark.long
def test_all_of_it_can_be_measured(called):
    status, out = called("--quick", parts=bench.PARTS)
    assert status == 0, out
