"""`latchwork rm`: a name goes, whatever has it, unless somebody holds it or waits for it."""

import json

import pytest
import views_by_hand as hand

pytest.importorskip("click")
pytest.importorskip("rich")

from latchwork.cli import exits, main, source

SET = "import latchwork\nlatchwork.Event(name='e', namespace='ci').set()"
IS_SET = "import latchwork\nprint(latchwork.Event(name='e', namespace='ci').is_set())"
HELD = hand.primitive("Lock", "e", id="1:1", owners=(hand.owner(100, "make.py"),))
AWAITED = hand.primitive("Event", "e", id="1:1", waiters=(hand.waiter(101, "a\nb.py"),))


@pytest.fixture
def rm(arenas, monkeypatch, capsys):
    """Take a name away for real, by what is seen of it by hand: status, what was written."""

    def rm(*words, seen=()):
        def look(namespace=None):
            assert namespace is not None
            return [hand.view(*seen, namespace=namespace)]

        monkeypatch.setenv("LATCHWORK_DIR", str(arenas))
        monkeypatch.setattr(source, "look", look)
        return main(["rm", *words]), *capsys.readouterr()

    return rm


def test_a_name_goes_whatever_has_it(rm, run, arenas):
    run(SET)
    assert rm("--namespace", "ci", "e") == (exits.OK, "", "")
    assert not arenas.exists()  # nothing was left in it
    arenas.mkdir()
    assert run(IS_SET) == "False"


def test_the_other_names_stay(rm, run):
    run(SET.replace("'e'", "'other'") + "\n" + SET)
    assert rm("--namespace", "ci", "e")[0] == exits.OK
    assert run(IS_SET.replace("'e'", "'other'")) == "True"


def test_that_there_is_no_such_name_is_said(rm, run):
    status, out, told = rm("nothing")
    assert (status, out) == (exits.NO, "")
    assert "there is no 'nothing' in the namespace 'default'" in told
    run(SET)
    assert rm("e")[0] == exits.NO
    assert rm("a/b")[0] == exits.ERROR
    assert "\x1b" not in rm("\x1b[2J")[2]


@pytest.mark.parametrize(
    ("seen", "who"),
    [(HELD, "pid 100 (make.py) holds it"), (AWAITED, r"pid 101 (a\nb.py) waits for it")],
)
def test_what_somebody_uses_stays_unless_forced(rm, run, seen, who):
    run(SET)
    status, out, told = rm("--namespace", "ci", "e", seen=[seen])
    assert (status, out) == (exits.NO, "")
    assert told.splitlines()[1:] == [f"  {who}"]
    status, out, told = rm("--namespace", "ci", "--json", "e", seen=[seen])
    assert (status, told) == (exits.NO, "")
    found = json.loads(out)
    assert not found["removed"]
    assert [one["title"] for one in found["in_use"]] == [seen.title]
    assert run(IS_SET) == "True"
    assert rm("--namespace", "ci", "--force", "e", seen=[seen]) == (exits.OK, "", "")
    assert run(IS_SET) == "False"


def test_what_nobody_uses_goes_beside_what_somebody_does(rm, run):
    run(SET)
    busy = hand.primitive("Lock", "other", id="1:2", owners=(hand.owner(100),))
    idle = hand.primitive("Event", "e", id="1:1", state="set")
    status, out, _ = rm("--namespace", "ci", "--json", "e", seen=[busy, idle])
    assert status == exits.OK
    assert json.loads(out) == {"name": "e", "removed": True, "in_use": []}
