"""Each thing that `latchwork doctor` finds is made to be so, where that can be done."""

import ctypes
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click")

from latchwork import _core, doctor
from latchwork.doctor import build, kernel, limits, places, processes

LINE = (sys.executable, "-m", "latchwork.cli", "doctor", "--json")


class Told:
    """What the doctor said."""

    def __init__(self, done):
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        found = json.loads(done.stdout)
        self.status, self.well = done.returncode, found["well"]
        self.findings = found["findings"]
        assert self.status == (0 if self.well else 1)
        assert self.well is all(finding["level"] != "wrong" for finding in self.findings)
        for finding in self.findings:
            assert finding["says"]
            assert finding["level"] != "wrong" or finding["do"]

    def about(self, topic):
        """The worst of what it said about that."""
        order = ["fine", "note", "wrong"]
        found = [finding for finding in self.findings if finding["topic"] == topic]
        return max(found, key=lambda finding: order.index(finding["level"]))


@pytest.fixture
def examine(arenas):
    """Run it, under some other command or after something was done in its process."""

    def examine(*under, before=None, **env):
        done = subprocess.run(
            [*under, *LINE],
            env={**os.environ, "LATCHWORK_DIR": str(arenas), **env},
            preexec_fn=before,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return Told(done)

    return examine


def private(*options):
    """unshare(1), as root or in a user namespace; skip where neither is allowed."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare(1) here")
    how = ["unshare", *options] if os.geteuid() == 0 else ["unshare", "-r", *options]
    if subprocess.run([*how, "true"], capture_output=True).returncode:
        pytest.skip("no private namespaces to be had here")
    return how


def mounted(options, path):
    """With a file system mounted there, for the doctor only."""
    return (
        *private("-m"),
        "sh",
        "-c",
        f'mount -t tmpfs -o {options} none {path} && exec "$@"',
        "sh",
    )


def test_where_all_is_well_nothing_is_wrong(examine):
    told = examine()
    assert told.well, told.findings
    for topic in ("kernel", "directory", "robust futexes", "core", "/proc", "open files"):
        assert told.about(topic)["level"] == "fine", told.findings


def test_a_read_only_directory_is_wrong(examine, tmp_path):
    told = examine(*mounted("ro", tmp_path), LATCHWORK_DIR=f"{tmp_path}/a")
    assert told.about("directory")["level"] == "wrong"
    assert "Read-only" in told.about("directory")["says"]


def test_a_directory_without_room_for_an_arena_is_wrong(examine, tmp_path):
    told = examine(*mounted("size=64k", tmp_path), LATCHWORK_DIR=f"{tmp_path}/a")
    assert told.about("directory")["level"] == "wrong"
    assert "no space left" in told.about("directory")["says"]


@pytest.mark.parametrize(
    ("size", "said"), [("2m", "remount"), ("64m", "--shm-size")], ids=["nearly full", "Docker's"]
)
def test_a_small_directory_is_to_be_noted(examine, tmp_path, size, said):
    told = examine(*mounted(f"size={size}", tmp_path), LATCHWORK_DIR=f"{tmp_path}/a")
    assert told.well
    assert told.about("space")["level"] == "note"
    assert said in told.about("space")["do"]
    assert told.about("file system")["says"].startswith("tmpfs")


def test_another_directory_than_dev_shm_is_to_be_noted(examine, arenas):
    told = examine(*mounted("ro", "/dev/shm"), LATCHWORK_DIR="", TMPDIR="/var/tmp")
    assert told.about("directory")["level"] == "note"
    assert "/dev/shm" in told.about("directory")["says"]


def test_a_directory_that_others_may_write_to_is_wrong(examine, arenas):
    arenas.chmod(0o777)
    told = examine()
    assert told.about("directory")["level"] == "wrong"
    assert "chmod 700" in told.about("directory")["says"]
    assert not list(arenas.iterdir())


def test_a_link_instead_of_a_directory_is_wrong(examine, arenas, tmp_path):
    (tmp_path / "link").symlink_to(arenas)
    told = examine(LATCHWORK_DIR=str(tmp_path / "link"))
    assert "is not a directory" in told.about("directory")["says"]
    assert told.about("directory")["level"] == "wrong"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's directory")
def test_another_users_directory_is_wrong(examine, arenas):
    os.chown(arenas, 12345, 12345)
    assert "another user" in examine().about("directory")["says"]


def test_trying_out_a_directory_leaves_nothing_there(examine, tmp_path):
    assert examine(LATCHWORK_DIR=f"{tmp_path}/a").well
    assert not list(tmp_path.iterdir())


def test_a_disk_is_to_be_noted_and_a_network_wrong(monkeypatch):
    for kind, level in (
        ("ext4", "note"),
        ("overlay", "note"),
        ("nfs4", "wrong"),
        ("tmpfs", "fine"),
    ):
        monkeypatch.setattr(places, "filesystem_of", lambda path, kind=kind: (kind, "/mnt"))
        assert [finding.level for finding in places.filesystem()] == [level]


def test_the_innermost_mount_is_the_one_that_counts():
    assert places.filesystem_of("/proc/self") == ("proc", "/proc")
    assert places.filesystem_of("/procession")[1] != "/proc"


def test_a_file_that_is_no_arena_is_wrong(examine, arenas):
    (arenas / "namespace-x").write_bytes(os.urandom(5000))
    (arenas / "namespace-x").chmod(0o600)
    told = examine()
    assert told.about("leftovers")["level"] == "wrong"
    assert "namespace-x" in told.about("leftovers")["says"]
    assert not told.well


def test_what_is_not_of_latchwork_is_to_be_noted(examine, arenas):
    (arenas / "shopping").write_text("bread")
    assert "shopping" in examine().about("leftovers")["says"]


def test_what_a_killed_program_left_is_to_be_noted(examine, run):
    killed = "import latchwork, os\nlatchwork.Lock()\nos.kill(os.getpid(), 9)"
    assert run(killed, check=False).returncode == -signal.SIGKILL
    told = examine()
    assert told.about("leftovers")["level"] == "note"
    assert "latchwork clean" in told.about("leftovers")["do"]


class Filter(ctypes.Structure):
    """An instruction of a seccomp filter: see bpf(2), linux/filter.h."""

    _fields_ = [
        ("code", ctypes.c_ushort),
        ("yes", ctypes.c_ubyte),
        ("no", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    ]


class Program(ctypes.Structure):
    """A seccomp filter."""

    _fields_ = [("length", ctypes.c_ushort), ("filters", ctypes.POINTER(Filter))]


def forbidding(call):
    """What makes the kernel answer EPERM to that system call, as a sandbox does."""
    filters = (Filter * 4)(
        Filter(0x20, 0, 0, 0),  # load the call's number
        Filter(0x15, 0, 1, call),  # is it this one?
        Filter(0x06, 0, 0, 0x00050000 | 1),  # EPERM
        Filter(0x06, 0, 0, 0x7FFF0000),  # allowed
    )
    program = Program(len(filters), filters)
    libc = ctypes.CDLL(None)

    def forbid():
        libc.prctl(38, 1, 0, 0, 0)  # no new privileges
        if libc.prctl(22, 2, ctypes.byref(program), 0, 0):
            os._exit(77)

    return forbid


def test_a_sandbox_that_forbids_futex_waitv_is_to_be_noted(examine):
    if not _core.has_waitv():
        pytest.skip("this kernel has no futex_waitv")
    told = examine(before=forbidding(kernel.SYS_FUTEX_WAITV))
    assert told.about("futex_waitv")["level"] == "note"
    assert "sandbox forbids it (EPERM)" in told.about("futex_waitv")["says"]


def test_a_kernel_that_does_not_tell_of_deaths_is_wrong(examine):
    set_robust_list = {"x86_64": 273, "aarch64": 99}[platform.machine()]
    told = examine(before=forbidding(set_robust_list))
    assert told.about("robust futexes")["level"] == "wrong"


def test_clocks_that_need_a_system_call_are_to_be_noted(monkeypatch):
    monkeypatch.setattr(kernel, "cost", lambda clock: 2e-7)
    assert {finding.level for finding in kernel.clocks()} == {"note"}


@pytest.mark.parametrize(
    ("which", "limit", "topic", "level"),
    [
        (resource.RLIMIT_NOFILE, 9, "open files", "wrong"),
        (resource.RLIMIT_NOFILE, 40, "open files", "note"),
        (resource.RLIMIT_AS, 1 << 30, "address space", "note"),
        (resource.RLIMIT_FSIZE, 1 << 20, "file size", "wrong"),
    ],
)
def test_limits(examine, which, limit, topic, level):
    told = examine(before=lambda: resource.setrlimit(which, (limit, limit)))
    assert told.about(topic)["level"] == level


@pytest.mark.parametrize("controllers", ["", "pids"], ids=["cgroup v2", "cgroup v1"])
def test_the_tightest_cgroup_is_the_one_that_counts(tmp_path, monkeypatch, controllers):
    inner = tmp_path / controllers / "outer" / "inner"
    inner.mkdir(parents=True)
    for group, most, now in ((inner, "max", 3), (inner.parent, "100", 60)):
        (group / "pids.max").write_text(f"{most}\n")
        (group / "pids.current").write_text(f"{now}\n")
    (tmp_path / "of").write_text(f"7:memory:/x\n0:{controllers}:/outer/inner\n")
    found = limits.cgroup_tasks(str(tmp_path / "of"), tmp_path)
    assert found == (40, 100)
    monkeypatch.setattr(limits, "cgroup_tasks", lambda: found)
    assert [finding.level for finding in limits.tasks()] == ["note"]


def test_a_pid_namespace_is_to_be_noted_and_who_is_outside_of_it_is_seen(examine, run, arenas):
    how = private("-p", "-f", "--mount-proc")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import latchwork, sys\nlatchwork.Lock(name='n')\nprint(flush=True)\nsys.stdin.read()",
        ],
        env={**os.environ, "LATCHWORK_DIR": str(arenas)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        holder.stdout.readline()
        told = examine(*how)
        holder.stdin.close()
    assert told.about("pids")["level"] == "note"
    assert "another pid namespace" in told.about("members")["says"]


def test_without_proc_all_else_is_told(examine):
    told = examine(*mounted("size=1m", "/proc"))
    assert told.about("/proc")["level"] == "wrong"
    assert told.about("directory")["level"] == "fine"
    assert not [finding for finding in told.findings if "a bug" in (finding["do"] or "")]


@pytest.mark.parametrize(("scope", "level"), [(0, "fine"), (1, "note"), (3, "note")])
def test_what_ptrace_scope_forbids_is_to_be_noted(monkeypatch, tmp_path, scope, level):
    (tmp_path / "scope").write_text(f"{scope}\n")
    monkeypatch.setattr(processes, "PTRACE_SCOPE", tmp_path / "scope")
    monkeypatch.setattr(processes, "may_trace_all", lambda: False)
    assert [finding.level for finding in processes.stacks()] == [level]


def test_a_test_build_is_wrong(monkeypatch):
    monkeypatch.setattr(_core, "crash_points", lambda: ["name_filled"])
    assert [finding.level for finding in build.core()] == ["wrong"]


def test_a_library_that_is_missing_is_to_be_noted(monkeypatch):
    monkeypatch.setitem(build.LIBRARIES, "no_such_library", "nothing")
    (finding,) = build.libraries()
    assert finding.level == "note"
    assert "pip install 'latchwork[cli]'" in finding.do


def test_a_check_that_fails_is_told_and_the_others_are_made(monkeypatch):
    def broken():
        raise ZeroDivisionError("oops")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (broken, kernel.version))
    found = list(doctor.examine())
    assert [finding.level for finding in found] == ["wrong", "fine"]
    assert "oops" in found[0].says


def test_it_works_without_the_command_line_libraries(run):
    source = (
        "import sys\n"
        "for name in ('click', 'rich', 'textual'): sys.modules[name] = None\n"
        "from latchwork import doctor\n"
        "print(doctor.is_well(list(doctor.examine())))"
    )
    assert run(source) == "True"


def test_a_terminal_gets_colours_and_a_pipe_lines(examine, arenas):
    pexpect = pytest.importorskip("pexpect")
    (arenas / "namespace-x").write_text("nothing")
    env = {**os.environ, "LATCHWORK_DIR": str(arenas), "TERM": "xterm-256color", "COLUMNS": "100"}
    env.pop("NO_COLOR", None)
    words = [*LINE[1:-1], "--quiet"]
    shown, status = pexpect.run(
        f"{sys.executable} {' '.join(words)}", env=env, withexitstatus=True, timeout=30
    )
    assert status == 1
    assert b"\x1b[" in shown
    assert "✗".encode() in shown
    piped = subprocess.run(
        [sys.executable, *words], env=env, capture_output=True, text=True, timeout=30
    )
    assert "\x1b" not in piped.stdout
    assert f"✗ leftovers: {arenas / 'namespace-x'}: " in piped.stdout
    assert Path(arenas / "namespace-x").exists()
