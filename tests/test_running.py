"""``python -m latchwork`` runs a program as python would, patched."""

import compileall
import os
import shutil
import signal
import subprocess
import sys
import zipfile

import pytest
from actors import METHODS

import latchwork

SHOW = """
import os, sys
print(sys.argv, sys.path[0], sys.flags, os.getcwd())
print(sorted(globals()), __name__, globals().get("__file__"), __package__, type(__loader__))
print(__spec__ and (__spec__.name, __spec__.origin), vars(sys.modules["__main__"]) is globals())
def function(): pass
import pickle
print(pickle.loads(pickle.dumps(function)) is function)
"""


@pytest.fixture
def here(tmp_path):
    """A directory with programs of every form."""
    package = tmp_path / "package"
    package.mkdir()
    for path in ("show.py", "package/show.py", "package/__main__.py", "package/__init__.py"):
        (tmp_path / path).write_text(SHOW if not path.endswith("__init__.py") else "")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "show.py").symlink_to(tmp_path / "show.py")
    with zipfile.ZipFile(tmp_path / "show.zip", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    (tmp_path / "empty").mkdir()
    shutil.copy(tmp_path / "show.py", tmp_path / "compiled.py")
    compileall.compile_file(tmp_path / "compiled.py", quiet=1, legacy=True)
    (tmp_path / "compiled.py").unlink()
    return tmp_path


@pytest.fixture
def python(arenas, here):
    """Run an interpreter in that directory: exit status, stdout, stderr."""

    def python(*arguments, options=(), **more):
        done = subprocess.run(
            [sys.executable, *options, *arguments],
            cwd=here,
            env={**os.environ, "LATCHWORK_DIR": str(arenas)},
            capture_output=True,
            text=True,
            timeout=60,
            **more,
        )
        return done.returncode, done.stdout, done.stderr

    return python


@pytest.fixture
def as_python(python):
    """That it is the same under python itself and under Latchwork; what it was."""

    def as_python(*arguments, **more):
        theirs = python(*arguments, **more)
        ours = python("-m", "latchwork", *arguments, **more)
        assert ours == theirs
        return ours

    return as_python


@pytest.mark.parametrize(
    "program",
    [
        ("show.py",),
        ("./show.py", "-x", "--help", "-m"),
        ("link/show.py", "a b"),
        ("package",),
        ("package/../show.py",),
        ("show.zip", "a"),
        ("compiled.pyc", "a"),
        ("-m", "show", "-c", "b"),
        ("-mshow",),
        ("-m", "package", "a"),
        ("-m", "package.show"),
        ("-c", SHOW.replace("import pickle", "sys.exit()"), "-m"),
    ],
)
def test_a_program_finds_itself_as_under_python(program, as_python):
    status, out, error = as_python(*program)
    assert (status, error) == (0, "")
    assert out


def test_an_absolute_path_stays_one(here, as_python):
    assert as_python(str(here / "show.py"))[0] == 0


@pytest.mark.parametrize("option", ["-O", "-P", "-B", "-Xdev", "-Werror", "-u", "-s"])
def test_options_of_python_stand_before(option, as_python):
    assert as_python("show.py", options=[option])[0] == 0


def test_the_prompt_comes_after_the_program(as_python):
    status, out, error = as_python("show.py", options=["-i", "-q"], input="print(function())\n")
    assert (status, out.splitlines()[-1]) == (0, "None")
    assert "Traceback" not in error


ENDS = {
    "falls off its end": "print(1)",
    "exits": "import sys; print(1); sys.exit()",
    "exits with a status": "import sys; sys.exit(7)",
    "exits with a message": "import sys; sys.exit('what was wrong')",
    "raises": "def f(): 1 / 0\nf()",
    "raises a chain": "try: 1 / 0\nexcept ZeroDivisionError as e: raise OSError('x') from e",
    "is interrupted": "import signal; signal.raise_signal(signal.SIGINT)",
    "raises KeyboardInterrupt": "raise KeyboardInterrupt('by itself')",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "is no Python": "def f(:\n    pass",
    "is indented wrongly": "if 1:\npass",
    "raises in a thread": "import threading; t = threading.Thread(target=int, args=('x',), name='t')\n"
    "t.start(); t.join()",
    "has its own hook": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_lineno)\n1 / 0",
    "goes on in a thread": "import threading, sys, time\n"
    "def f():\n"
    "    threading.main_thread().join()\n"
    "    print(vars(sys.modules['__main__']) is globals(), f.__name__)\n"
    "threading.Thread(target=f).start()",
    "goes on at exit": "import atexit, sys\nprint_ = print\n"
    "atexit.register(lambda: print_(vars(sys.modules['__main__']) is globals()))\nsys.exit(3)",
    "raises from a group": "raise ExceptionGroup('several', [OSError('a'), ValueError('b')])",
}


@pytest.mark.parametrize("form", ["script", "-m", "-c"])
@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_as_under_python(end, form, here, as_python):
    (here / "ends.py").write_text(ENDS[end])
    program = {"script": ["ends.py"], "-m": ["-m", "ends"], "-c": ["-c", ENDS[end]]}[form]
    status, out, error = as_python(*program)
    assert status != 0 or out or error


def test_ctrl_c_ends_it_as_under_python(here, arenas):
    (here / "waits.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    seen = []
    for how in ([], ["-m", "latchwork"]):
        with subprocess.Popen(
            [sys.executable, *how, "waits.py"],
            cwd=here,
            env={**os.environ, "LATCHWORK_DIR": str(arenas)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout.readline() == "ready\n"
            child.send_signal(signal.SIGINT)
            lines = child.stderr.read().splitlines()
            # In which line of the program it is, is chance.
            seen.append((lines[0], lines[-1], "".join(lines).count("File "), child.wait()))
    assert seen[0] == seen[1]
    assert seen[1][1:] == ("KeyboardInterrupt", 1, -signal.SIGINT)


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (["missing.py"], 2),
        (["missing/there.py", "a"], 2),
        (["show.py/there"], 2),
        (["empty"], 1),
        (["-m", "missing"], 1),
        (["-m", "package.missing"], 1),
        (["-m", "show.py"], 1),
    ],
)
def test_what_can_not_be_run_is_said_as_python_says_it(program, status, as_python):
    assert as_python(*program)[0] == status


def test_without_a_program_it_says_how(python):
    status, out, usage = python("-m", "latchwork")
    assert (status, out) == (2, "")
    for form in ("latchwork script.py", "latchwork -m module", "latchwork -c code", "`latchwork`"):
        assert form in usage
    assert python("-m", "latchwork", "--help") == (0, usage, "")
    assert python("-m", "latchwork", "-h") == (0, usage, "")
    version = f"latchwork {latchwork.__version__}\n"
    assert python("-m", "latchwork", "--version") == (0, version, "")
    for wrong in ("-x", "-m", "-c", "--tour", "-"):
        status, out, error = python("-m", "latchwork", wrong)
        assert (status, out) == (2, "")
        assert error.endswith(usage)
        assert wrong in error.splitlines()[0]


def test_tour_is_the_command_unless_there_is_such_a_file(here, python):
    status, out, _ = python("-m", "latchwork", "tour", "--help")
    assert status == 0
    assert "usage: latchwork tour" in out.lower()
    (here / "tour").write_text("print('a script')")
    assert python("-m", "latchwork", "tour", "--help") == (0, "a script\n", "")


WORKERS = """
import multiprocessing, os, signal, sys
from multiprocessing import Event, Lock, Queue, get_context

lock = Lock()

class Task:
    def __init__(self, number):
        self.number = number

def die(ready):
    lock.acquire()
    ready.set()
    os.kill(os.getpid(), signal.SIGKILL)

def work(ready, task, done):
    ready.wait()
    with lock:
        done.put(task)

def main():
    method = sys.argv[1]
    ctx = get_context(method)
    ready, done = ctx.Event(), ctx.Queue()
    workers = [ctx.Process(target=die, args=(ready,))]
    workers += [ctx.Process(target=work, args=(ready, Task(i), done)) for i in range(3)]
    for worker in workers:
        worker.start()
    print(sorted(done.get(timeout=60).number for _ in range(3)), sys.flags.optimize)
    for worker in workers:
        worker.join()
    print([worker.exitcode for worker in workers])

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("form", ["script", "-m", "package"])
@pytest.mark.parametrize("method", METHODS)
def test_in_a_program_that_never_heard_of_it_a_killed_worker_hangs_nobody(
    method, form, here, python
):
    (here / "workers.py").write_text(WORKERS)
    (here / "package" / "workers.py").write_text(WORKERS)
    program = {
        "script": ["workers.py"],
        "-m": ["-m", "workers"],
        "package": ["-m", "package.workers"],
    }
    status, out, error = python("-m", "latchwork", *program[form], method, options=["-O"])
    assert status == 0, error
    assert out.splitlines() == ["[0, 1, 2] 1", "[-9, 0, 0, 0]"]
    assert "died while it held this lock" in error


def test_code_of_the_command_line_is_patched_too(python):
    source = """
import multiprocessing, os
lock = multiprocessing.Lock()
def die():
    lock.acquire()
    os._exit(1)
child = multiprocessing.get_context("fork").Process(target=die)
child.start()
child.join()
print(lock.acquire(timeout=60), lock.abandoned)
"""
    status, out, _ = python("-m", "latchwork", "-c", source)
    assert (status, out) == (0, "True True\n")


@pytest.mark.parametrize("method", METHODS)
def test_the_program_is_not_warned_of_what_it_did_not_do(method, here, python):
    (here / "imports.py").write_text(
        "from multiprocessing import Lock, Process, set_start_method\n"
        "def work(lock):\n"
        "    with lock: print(type(lock).__module__)\n"
        "if __name__ == '__main__':\n"
        f"    set_start_method('{method}')\n"
        "    child = Process(target=work, args=(Lock(),)); child.start(); child.join()\n"
    )
    ours = "latchwork.primitives.lock\n"
    assert python("-m", "latchwork", "imports.py", options=["-Werror"]) == (0, ours, "")
