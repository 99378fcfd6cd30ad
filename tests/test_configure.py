"""configure() and the environment: what a program does about deadlocks, in all of its processes."""

import math
import os

import pytest
from actors import METHODS
from looking_on import LONG, thread, waiters
from party import FORK, Party
from remote import until

import latchwork
from latchwork import _core, settings

MODES = ("warn", "raise", "raise-probable", "ignore")


@pytest.fixture(autouse=True)
def as_before():
    latchwork.configure(look_after=1, deadlock="warn")
    yield
    latchwork.configure(look_after=1, deadlock="warn")


def said():
    look_ms, mode = _core.settings()
    return look_ms, settings.MODES[mode]


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_kept(mode):
    latchwork.configure(deadlock=mode)
    assert said() == (1000, mode)


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [(0.01, 10), (0.0125, 12), (1, 1000), (True, 1000), (2.5, 2500), (86400 * 30, 2_592_000_000)],
)
def test_each_time_is_kept(seconds, kept):
    latchwork.configure(look_after=seconds)
    assert said() == (kept, "warn")


def test_what_is_left_out_stays():
    latchwork.configure(deadlock="ignore")
    latchwork.configure(look_after=3)
    latchwork.configure()
    latchwork.configure(deadlock=None, look_after=None, profile=None)
    assert said() == (3000, "ignore")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (
            {"deadlock": "loudly"},
            ValueError,
            "one of warn, raise, raise-probable, ignore, not 'loud",
        ),
        ({"deadlock": ""}, ValueError, "not ''"),
        ({"deadlock": "RAISE"}, ValueError, "not 'RAISE'"),
        ({"deadlock": True}, TypeError, "deadlock must be a str, not bool"),
        ({"deadlock": 2}, TypeError, "deadlock must be a str, not int"),
        ({"look_after": 0}, ValueError, "0.01 to 2592000 seconds, or math.inf, not 0"),
        ({"look_after": 0.009}, ValueError, "not 0.009"),
        ({"look_after": -1}, ValueError, "not -1"),
        ({"look_after": 86400 * 31}, ValueError, "not 2678400"),
        ({"look_after": math.nan}, ValueError, "not nan"),
        ({"look_after": -math.inf}, ValueError, "not -inf"),
        ({"look_after": 10**400}, ValueError, "not 1000"),
        ({"look_after": "1"}, TypeError, "look_after must be a number, not str"),
        ({"look_after": b"1"}, TypeError, "not bytes"),
        ({"look_after": 1j}, TypeError, "not complex"),
        ({"look_after": []}, TypeError, "not list"),
        ({"profile": 3}, TypeError, "int"),
        ({"profile": []}, TypeError, "list"),
    ],
)
def test_what_means_nothing_is_an_error_and_changes_nothing(wrong, error, message):
    right = {"deadlock": "ignore", "look_after": 7.0}
    with pytest.raises(error, match=message.replace("(", r"\(")):
        latchwork.configure(**{**right, **wrong})
    assert said() == (1000, "warn")
    with pytest.raises(TypeError):
        latchwork.configure("warn")


# --- where it holds -----------------------------------------------------------------------------------


class Settings:
    """What another process goes by; a Party calls its method. ``having``: what it was sent with it."""

    def __init__(self, *having):
        self.having = having

    def said(self):
        return said()

    def uses(self, name):
        return latchwork.Lock(name=name).acquire()

    def makes(self):
        return latchwork.Lock().acquire()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("having", ["sent", "named", "its own"])
def test_children_go_by_it_whatever_they_use(method, having):
    latchwork.configure(look_after=0.25, deadlock="raise")
    sent = (latchwork.Lock(),) if having == "sent" else ()
    party = Party(latchwork.get_context(method))
    try:
        if having == "named":
            party.does(Settings(), "uses", f"for {method}")
        elif having == "its own":
            party.does(Settings(), "makes")
        assert party.does(Settings(*sent), "said").result == (250, "raise")
        latchwork.configure(look_after=0.5, deadlock="ignore")
        assert party.does(Settings(*sent), "said").result == (500, "ignore")
    finally:
        party.process.kill()
        party.process.join()


def test_a_child_sets_it_for_its_parent_as_well():
    party = Party()
    party.does(Settings(latchwork.Lock()), "said")
    try:
        assert party.does(Sets(), "it").result is None
        assert said() == (125, "raise")
    finally:
        party.process.kill()
        party.process.join()


class Sets:
    def it(self):
        latchwork.configure(look_after=0.125, deadlock="raise")


LATE = """
import multiprocessing, sys
import latchwork
from latchwork import _core

def child(conn):
    lock = latchwork.Lock(name="late")
    conn.send(_core.settings())
    conn.recv()
    lock.acquire()
    conn.send(_core.settings())

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    lock = latchwork.Lock(name="late")
    lock.acquire()
    process = multiprocessing.get_context("spawn").Process(target=child, args=(there,))
    process.start()
    print(here.recv())
    latchwork.configure(deadlock="raise")  # only now has this program an arena
    here.send("go on")
    while not lock.statistics().waiters or not lock.statistics().waiters[0].stack:
        pass
    lock.release()
    print(here.recv())
    process.join()
"""


def test_a_child_that_began_before_anything_was_set_finds_it_when_it_looks(run):
    said = run(LATE, LATCHWORK_LOOK_AFTER="0.1")
    assert said.splitlines() == ["(100, 1)", "(100, 2)"]


def test_nobody_looks_if_that_was_asked_for():
    """Neither is written where they wait."""
    latchwork.configure(look_after=math.inf)
    assert _core.settings()[0] == _core.LOOK_NEVER
    event, quick = latchwork.Event(), latchwork.Event()
    with thread(event.wait, LONG):
        waiters(event, 1)
        latchwork.configure(look_after=0.01)  # which is for waits that begin now
        with thread(quick.wait, LONG):
            until(lambda: waiters(quick, 1)[0].stack)
            quick.set()
        assert waiters(event, 1)[0].stack == ()
        event.set()


# --- the environment ----------------------------------------------------------------------------------

SAYS = "import latchwork; from latchwork import _core, settings; print(*_core.settings())"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "1000 1"),
        ({"LATCHWORK_DEADLOCK": "raise"}, "1000 2"),
        ({"LATCHWORK_LOOK_AFTER": "0.5", "LATCHWORK_DEADLOCK": "ignore"}, "500 4"),
        ({"LATCHWORK_LOOK_AFTER": "inf"}, f"{_core.LOOK_NEVER} 1"),
        ({"LATCHWORK_LOOK_AFTER": "", "LATCHWORK_DEADLOCK": ""}, "1000 1"),
    ],
)
def test_the_environment_says_it_for_a_program_that_says_nothing(run, variables, expected):
    assert run(SAYS, **variables) == expected


@pytest.mark.parametrize(
    ("variables", "expected", "blamed"),
    [
        (
            {"LATCHWORK_DEADLOCK": "loud", "LATCHWORK_LOOK_AFTER": "2"},
            "2000 1",
            "LATCHWORK_DEADLOCK",
        ),
        (
            {"LATCHWORK_DEADLOCK": "raise", "LATCHWORK_LOOK_AFTER": "x"},
            "1000 2",
            "LATCHWORK_LOOK_AFTER",
        ),
        ({"LATCHWORK_LOOK_AFTER": "0"}, "1000 1", "LATCHWORK_LOOK_AFTER"),
        ({"LATCHWORK_LOOK_AFTER": "nan"}, "1000 1", "LATCHWORK_LOOK_AFTER"),
    ],
)
def test_what_means_nothing_in_the_environment_is_left_out_and_told(
    run, variables, expected, blamed
):
    done = run(SAYS, check=False, **variables)
    assert done.returncode == 0
    assert done.stdout.strip() == expected
    assert f"RuntimeWarning: {blamed} is left out: " in done.stderr
    assert done.stderr.count("RuntimeWarning") == 1


def test_what_the_program_says_counts_more_than_the_environment(run):
    source = (
        "import latchwork\nfrom latchwork import _core\n"
        "latchwork.configure(deadlock='warn')\nprint(*_core.settings())"
    )
    assert run(source, LATCHWORK_DEADLOCK="raise", LATCHWORK_LOOK_AFTER="5") == "5000 1"


# --- of a primitive -----------------------------------------------------------------------------------

HELD = ("Lock", "RLock", "RWLock", "Semaphore", "BoundedSemaphore", "Condition")


def wish_of(primitive):
    """What was asked for it, as the core has it."""
    primitive = getattr(primitive, "_lock", primitive)  # a Condition's
    found = primitive._arena.survey([primitive._place])[0]
    return settings.MODES[found[9]]


def makers():
    yield latchwork
    for method in METHODS:
        yield latchwork.get_context(method)


@pytest.mark.parametrize("kind", HELD)
@pytest.mark.parametrize("mode", MODES)
def test_each_kind_that_is_held_can_have_its_own(kind, mode):
    with latchwork.Manager() as manager:
        for maker in (*makers(), manager):
            make = getattr(maker, kind)
            assert [wish_of(make(deadlock=mode)), wish_of(make())] == [mode, ""]


@pytest.mark.parametrize("kind", HELD)
def test_a_wrong_wish_is_an_error(kind):
    make = getattr(latchwork, kind)
    with pytest.raises(ValueError, match="deadlock must be one of"):
        make(deadlock="loudly")
    with pytest.raises(TypeError, match="deadlock must be a str"):
        make(deadlock=3)
    name = f"never made {kind}"
    with pytest.raises(ValueError, match="deadlock must be one of"):
        make(name=name, deadlock="loudly")
    assert latchwork.inspect.find(name) == []


def test_the_wish_belongs_to_the_primitive_in_every_process():
    lock = latchwork.Lock(name="wished", deadlock="raise")
    again = latchwork.Lock(name="wished")
    assert (wish_of(lock), wish_of(again)) == ("raise", "raise")
    latchwork.Lock(name="wished", deadlock="ignore")
    assert wish_of(lock) == "ignore"
    child = FORK.Process(target=lambda: os._exit(MODES.index(wish_of(lock))))
    child.start()
    child.join()
    assert child.exitcode == MODES.index("ignore")


@pytest.mark.parametrize("kind", ["Event", "Barrier", "Latch"])
def test_what_nobody_holds_has_none(kind):
    with pytest.raises(TypeError):
        getattr(latchwork, kind)(*([2] if kind != "Event" else []), deadlock="raise")
