"""`latchwork ls`, `show`, `graph`: what they write, for people, for pipes and for programs."""

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET

import pytest
import views_by_hand as hand

pytest.importorskip("click")
pytest.importorskip("rich")
from rich.console import Console
from rich.text import Text

from latchwork.cli import exits, frames, main, source
from latchwork.cli.ages import age, short
from latchwork.cli.ls import HEAD
from latchwork.cli.output import write
from latchwork.cli.picture import picture
from latchwork.inspect import Member, Owner, Statistics, View, Waiter, graph, programs

ESCAPE = "\x1b"


@pytest.fixture
def latchwork(monkeypatch, capsys):
    """Run a command on views made by hand: status, standard output, standard error."""

    def run(views, *words):
        def look(namespace=None):
            return [one for one in views if namespace in (None, one.namespace)]

        monkeypatch.setattr(source, "look", look)
        status = main(words)
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("seconds", "told", "in_short"),
    [
        (-5, "0 ms", "0ms"),
        (0.34, "340 ms", "340ms"),
        (0.9996, "1.0 s", "1.0s"),
        (3.44, "3.4 s", "3.4s"),
        (59.94, "59.9 s", "59.9s"),
        (59.96, "1 min 00 s", "1m00s"),
        (125, "2 min 05 s", "2m05s"),
        (3599.7, "1 h 00 min", "1h00m"),
        (3780, "1 h 03 min", "1h03m"),
        (86400 * 3 + 3600 * 4, "3 d 04 h", "3d04h"),
    ],
)
def test_an_age_has_two_figures_and_never_sixty_seconds(seconds, told, in_short):
    assert age(seconds) == told
    assert short(seconds) == in_short


def test_into_a_pipe_ls_writes_a_line_for_each_with_tabs_between(latchwork):
    status, out, _ = latchwork(hand.busy(), "ls")
    head, *lines = [line.split("\t") for line in out.splitlines()]
    assert status == exits.OK
    assert head == list(HEAD)
    assert {len(line) for line in lines} == {len(head)}
    assert lines[0] == ["Lock", "build", "default", "held", "100 (make.py)", "3.1s", "2", "2.9s"]
    assert [line[1] for line in lines[1:]] == [
        *("gpus", "index", "ready", "tokens"),
        *("2:3", "/srv/train.py:8"),
    ]


def test_what_is_too_long_for_a_terminal_goes_on_between_words_and_indented():
    text = Text("a line\n\n  1. the quick brown fox jumps over the lazy dog\nend")
    narrow = Console(file=io.StringIO(), width=30, force_terminal=True, no_color=True)
    write(narrow, text)
    assert narrow.file.getvalue().splitlines() == [
        *("a line", "", "  1. the quick brown fox", "      jumps over the lazy dog", "end")
    ]
    pipe = Console(file=io.StringIO(), width=30)
    write(pipe, text)
    assert pipe.file.getvalue() == f"{text}\n"


def test_of_a_stack_only_what_is_the_programs_own_is_shown():
    lib = "/usr/lib/python3.12"
    mine = ("/srv/a.py:3 in work", "/srv/a.py:9 in run")
    process = (
        f"{lib}/multiprocessing/process.py:108 in run",
        f"{lib}/multiprocessing/process.py:314 in BaseProcess._bootstrap",
    )
    thread = (
        f"{lib}/threading.py:1010 in Thread.run",
        f"{lib}/threading.py:1073 in Thread._bootstrap_inner",
        f"{lib}/threading.py:1030 in Thread._bootstrap",
    )
    assert frames.own((*mine, *process, "/srv/parent.py:7 in main")) == mine
    assert frames.own((*mine, *thread)) == mine
    assert frames.own((*mine, "<frozen runpy>:88 in _run_code")) == mine
    assert frames.own((*mine, f"{lib}/threading.py:300 in wait")) == (
        *mine,
        f"{lib}/threading.py:300 in wait",
    )
    assert frames.own(process) == process


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("python3 -u -W error /srv/train.py --epochs 3", "train.py"),
        ("python -m pytest -x", "-m pytest"),
        ("python -m latchwork /srv/train.py", "train.py"),
        ("python -m latchwork -m pytest", "-m pytest"),
        ("python /usr/bin/latchwork tour", "latchwork tour"),
        ("python /usr/bin/latchwork run deploy -- sleep 5", "latchwork run"),
        ("python -m latchwork.cli top", "latchwork top"),
        ("python -c x=1", "python -c"),
        ("/bin/sleep 5", "sleep"),
        ("python3", "python3"),
    ],
)
def test_a_process_is_called_by_what_it_runs(words, told, monkeypatch):
    monkeypatch.setattr(programs, "_words", lambda pid: words.split())
    assert programs.program(1) == told


def test_unnamed_ones_that_nobody_uses_are_shown_on_demand(latchwork):
    assert "train.py:7" not in latchwork(hand.busy(), "ls")[1]
    assert "train.py:7" in latchwork(hand.busy(), "ls", "--all")[1]
    assert '"place": "train.py:7"' not in latchwork(hand.busy(), "ls", "--json")[1]


def test_a_namespace_alone_may_be_asked_for(latchwork):
    out = latchwork([*hand.busy(), hand.view(namespace="ci")], "ls", "--namespace", "default")[1]
    assert "build" in out
    assert "RWLock" not in out


def test_colours_are_for_terminals_or_those_who_force_them(latchwork, monkeypatch):
    cycle = [hand.cycle([100, 101])]
    for command in (["ls"], ["show", "a"], ["graph"], ["explain", "100", "--no-stacks"]):
        assert ESCAPE not in latchwork(cycle, *command)[1]
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert f"{ESCAPE}[1;31m" in latchwork(cycle, *command)[1] or "show" in command
        monkeypatch.setenv("NO_COLOR", "1")
        assert f"{ESCAPE}[1;31m" not in latchwork(cycle, *command)[1]
        monkeypatch.delenv("FORCE_COLOR")
        assert ESCAPE not in latchwork(cycle, *command)[1]
        monkeypatch.delenv("NO_COLOR")


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [
        (200, set()),
        (110, set()),
        (100, {"HELD"}),
        (80, {"HELD", "WHERE"}),
        (60, {"HELD", "WHERE", "LONGEST", "KIND"}),
        (40, {"HELD", "WHERE", "LONGEST", "KIND"}),
    ],
)
def test_a_table_for_people_fits_and_keeps_what_matters_most(
    columns, left_out, latchwork, monkeypatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    out = re.sub(r"\x1b\[[0-9;]*m", "", latchwork(hand.busy(), "ls")[1])
    assert max(map(len, out.splitlines())) <= columns
    assert set(HEAD) - set(out.split()) == left_out
    for fact in ("gpus", "103", "(serve.py)", "1 unnamed one that nobody"):
        assert fact in " ".join(out.split())


@pytest.mark.parametrize(
    "command",
    [
        *(["ls"], ["show", "1:1"], ["graph"], ["explain", "101", "--no-stacks"]),
        *(["graph", "--dot"], ["graph", "--mermaid"], ["top", "--once", "--interval", "0.1"]),
    ],
)
@pytest.mark.parametrize("forced", [False, True])
def test_a_name_is_no_command_to_the_terminal(command, forced, latchwork, monkeypatch):
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "300")
    out = latchwork(hand.hostile(), *command)[1]
    assert f"{ESCAPE}[2J" not in out
    assert "\\x1b[2J" in out.replace("#92;", "\\").replace("\\\\", "\\")
    assert "[bold]" in out


def rebuilt(facts, kind):
    """The dataclass that was written as JSON."""
    inner = {"owners": Owner, "waiters": Waiter, "members": Member, "primitives": Statistics}
    made = {}
    for field in dataclasses.fields(kind):
        value = facts.pop(field.name)
        if field.name in inner:
            value = tuple(rebuilt(one, inner[field.name]) for one in value)
        made[field.name] = tuple(value) if isinstance(value, list) else value
    facts.pop("title", None)
    assert not facts
    return kind(**made)


def test_json_has_every_fact_and_can_be_read_back(latchwork):
    for views in (hand.busy(), hand.hostile(), [hand.cycle([1, 2, 3])]):
        status, out, _ = latchwork(views, "ls", "--all", "--json")
        read = json.loads(out)
        assert status == exits.OK
        assert read["version"] == 1
        assert [rebuilt(one, View) for one in read["views"]] == views


@pytest.mark.parametrize("name", ["build", "1:1"])
def test_show_tells_all_of_one(name, latchwork):
    status, out, _ = latchwork(hand.busy(), "show", name)
    assert status == exits.OK
    for fact in (
        "Lock 'build'  namespace default",
        "state     held",
        "pid 100 (make.py), main thread, for 3.1 s",
        "pid 101 (make.py), main thread, for 2.9 s",
        "/srv/make.py:12 in work",
        "30.0 s left of its timeout",
        "processes attached 5",
        "make.py: 100, 101",
    ):
        assert fact in out


def test_show_finds_by_place_and_says_what_is_particular(latchwork):
    out = latchwork(hand.busy(), "show", "train.py:8")[1]
    assert "RWLock at /srv/train.py:8  of the program 200 (train.py)" in out
    assert "pid 200 (train.py), to read, 2 times" in out
    assert "to write" in out
    assert "once: somebody died with it" in latchwork(hand.busy(), "show", "index")[1]
    assert "Deadlock: 2 threads" in latchwork([hand.cycle([100, 101])], "show", "a")[1]


def test_show_of_what_is_in_two_namespaces_shows_both(latchwork):
    two = [*hand.busy(), hand.view(hand.primitive("Event", "build", id="7:1"), namespace="ci")]
    assert len(json.loads(latchwork(two, "show", "build", "--json")[1])["primitives"]) == 2
    assert "namespace ci" in latchwork(two, "show", "build")[1]


def test_show_of_what_is_not_there_says_what_is_like_it(latchwork):
    status, out, error = latchwork(hand.busy(), "show", "biuld")
    assert (status, out) == (exits.NO, "")
    assert "nothing in 2 arenas is called 'biuld'; is it 'build'" in error
    status, out, _ = latchwork(hand.busy(), "show", "zzz", "--json")
    assert (status, json.loads(out)["primitives"]) == (exits.NO, [])


def test_the_tree_has_at_its_root_who_holds_everything_up(latchwork):
    status, out, _ = latchwork(hand.busy(), "graph")
    assert status == exits.OK
    assert out.startswith(
        "make.py 100\n"
        "└── holds, for 3.1 s: Lock 'build'  held\n"
        "    ├── waits 2.9 s: make.py 101  make.py:12 in work\n"
        "    └── waits 1.0 s: test.py 102\n"
    )
    assert "Barrier 2:3  1 of 3 there\n└── waits 11 min 40 s: train.py 204\n" in out


def test_in_the_tree_a_process_that_holds_hangs_below_its_thread_that_waits(latchwork):
    pool = hand.primitive(
        *("BoundedSemaphore", "pool"),
        id="1:1",
        value=0,
        limit=1,
        owners=(hand.owner(100, thread=None),),
        waiters=(hand.waiter(101),),
    )
    lock = hand.primitive(
        "Lock", "x", id="1:2", owners=(hand.owner(102),), waiters=(hand.waiter(100),)
    )
    assert latchwork([hand.view(pool, lock)], "graph")[1] == (
        "train.py 102\n"
        "└── holds, for 3.1 s: Lock 'x'  held\n"
        "    └── waits 2.0 s: train.py 100\n"
        "        └── is a thread of: train.py 100\n"
        "            └── holds, for 3.1 s: BoundedSemaphore 'pool'  0 of 1 free\n"
        "                └── waits 2.0 s: train.py 101\n"
    )


def test_a_chain_of_a_thousand_is_drawn_and_told(latchwork):
    links = [
        hand.primitive(
            "Lock",
            f"n{pid}",
            id=f"1:{pid}",
            owners=(hand.owner(pid),),
            waiters=(hand.waiter(pid + 1),),
        )
        for pid in range(10**7, 10**7 + 1000)
    ]
    status, out, _ = latchwork([hand.view(*links)], "explain", str(10**7 + 1000), "--no-stacks")
    assert status == exits.OK
    assert len(out.splitlines()) == 2001
    status, out, _ = latchwork([hand.view(*links[:300])], "graph")
    assert (status, len(out.splitlines())) == (exits.OK, 601)


def test_a_deadlock_is_told_and_has_its_own_exit_status(latchwork):
    for kind, what in (("RLock", "Deadlock"), ("Lock", "Probable deadlock")):
        status, out, _ = latchwork([hand.cycle([100, 101, 102], kind)], "graph")
        assert status == exits.DEADLOCK
        assert f"\n{what}: 3 threads of 3 processes wait for each other.\n" in out
        assert "as above" in out
    read = json.loads(latchwork([hand.cycle([100, 101, 102])], "graph", "--json")[1])
    assert [one["id"] for one in read["nodes"]] == [f"thread:{n}:{n}" for n in (100, 101, 102)]
    assert all(one["blocked"] for one in read["nodes"])
    (deadlock,) = read["deadlocks"]
    assert deadlock["certain"]
    assert sorted(deadlock["cycle"]) == deadlock["nodes"]
    assert deadlock["primitives"] == ["9:1", "9:2", "9:3"]
    assert {wait["primitive"] for wait in read["waits"]} == set(deadlock["primitives"])


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("views", [hand.busy(), hand.hostile(), [hand.cycle([1, 2, 3])]])
def test_the_picture_stands_alone_and_has_everybody_in_it(views, latchwork, tmp_path):
    pytest.importorskip("grandalf")
    file = tmp_path / "waits.svg"
    status = latchwork(views, "graph", "--svg", str(file))[0]
    drawn = picture(views, graph(views))
    assert status == (exits.DEADLOCK if drawn.has_deadlock else exits.OK)
    root = ET.parse(file).getroot()
    boxes = {box.get("id"): box for box in root.iter(f"{SVG}g")}
    assert set(boxes) == set(drawn.boxes)
    for key, box in drawn.boxes.items():
        assert tuple(text.text for text in boxes[key].iter(f"{SVG}text")) == box.lines
        assert ("stuck" in boxes[key].find(f"{SVG}rect").get("class")) == box.stuck
    assert len(list(root.iter(f"{SVG}polygon"))) == len(drawn.arrows)
    assert not re.search(r"(href|src|@import|url\()", file.read_text())
    wide, high = float(root.get("width")), float(root.get("height"))
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("x"):
            assert 0 <= float(rect.get("x")) <= wide - float(rect.get("width"))
            assert 0 <= float(rect.get("y")) <= high - float(rect.get("height"))


def test_no_box_of_the_picture_lies_on_another(latchwork):
    pytest.importorskip("grandalf")
    out = latchwork([*hand.busy(), hand.cycle([300, 301, 302])], "graph", "--svg", "-")[1]
    rects = [
        tuple(float(group.find(f"{SVG}rect").get(name)) for name in ("x", "y", "width", "height"))
        for group in ET.fromstring(out).iter(f"{SVG}g")
    ]
    for number, (x, y, wide, high) in enumerate(rects):
        for ox, oy, other_wide, other_high in rects[:number]:
            apart = x >= ox + other_wide or ox >= x + wide or y >= oy + other_high or oy >= y + high
            assert apart


def test_a_picture_that_can_not_be_written_is_a_clear_error(latchwork, tmp_path):
    status, _, error = latchwork(hand.busy(), "graph", "--svg", str(tmp_path / "no" / "x.svg"))
    assert status == exits.NO
    assert "No such file" in error
    assert latchwork(hand.busy(), "graph", "--dot", "--json")[0] == exits.USAGE


@pytest.mark.parametrize("views", [hand.busy(), hand.hostile(), [hand.cycle([1, 2, 3])]])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_graphviz_finds_in_dot_what_the_picture_has(views, latchwork):
    with warnings.catch_warnings():  # of its own libraries
        warnings.simplefilter("ignore")
        pydot = pytest.importorskip("pydot")
    (read,) = pydot.graph_from_dot_data(latchwork(views, "graph", "--dot")[1])
    drawn = picture(views, graph(views))
    nodes = [node for node in read.get_nodes() if node.get_name() not in ("node", "edge")]
    assert len(nodes) == len(drawn.boxes)
    assert len(read.get_edges()) == len(drawn.arrows)
    labels = [unquoted(node.get_label()) for node in nodes]
    assert labels == [list(box.lines) for box in drawn.boxes.values()]


def unquoted(label):
    """The lines of a label, as dot reads them."""
    inside = re.sub(r"\\(.)", lambda it: "\n" if it[1] == "n" else it[1], label[1:-1])
    return inside.split("\n")


MERMAID = re.compile(
    r"""flowchart\ TD\n
    (\ \ n\d+(\[".*"\]|\(\[".*"\]\))\n)*
    (\ \ n\d+\ (-->|-\.->)\|".*"\|\ n\d+\n)*
    (\ \ classDef\ deadlock\ .*\n\ \ class\ n\d+(,n\d+)*\ deadlock\n)?
    (\ \ linkStyle\ \d+(,\d+)*\ .*\n)?""",
    re.VERBOSE,
)


@pytest.mark.parametrize("views", [hand.busy(), hand.hostile(), [hand.cycle([1, 2, 3])]])
def test_in_mermaid_no_name_ends_its_quotes(views, latchwork):
    out = latchwork(views, "graph", "--mermaid")[1]
    drawn = picture(views, graph(views))
    assert MERMAID.fullmatch(out)
    assert len(re.findall(r"^  n\d+[\[(]", out, re.M)) == len(drawn.boxes)
    assert len(re.findall(r'\|"', out)) == len(drawn.arrows)
    for label in re.findall(r'\["(.*)"\]', out):
        assert not set(label.replace("<br/>", "")) & set('"<>`\\')


def test_with_nothing_there_each_says_so(latchwork, monkeypatch):
    assert latchwork([], "ls")[1].startswith("KIND\t")
    assert latchwork([], "graph")[1] == "nobody waits\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "nothing of Latchwork is there now" in latchwork([], "ls")[1]


@pytest.mark.parametrize("command", ["ls", "show", "top", "graph", "explain"])
def test_help_has_examples(command, latchwork):
    out = latchwork([], command, "--help")[1]
    assert f"Examples:\n    latchwork {command}" in out
    assert "--json" in out


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    script = tmp_path / "many.py"
    script.write_text(
        "import sys, views_by_hand as hand\n"
        "from latchwork.cli import main, source\n"
        "many = [hand.primitive('Event', f'e{n}', id=str(n)) for n in range(20000)]\n"
        "source.look = lambda namespace=None: [hand.view(*many)]\n"
        "sys.exit(main(['ls']))\n"
    )
    path = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout.readline().startswith("KIND")
        command.stdout.close()
        assert command.stderr.read() == ""
        assert command.wait(30) in (0, 1)
