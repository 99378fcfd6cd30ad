"""Run all tests, under every Python from 3.11 on that is found here.

    python3 run_tests.py [--python PATH]... [pytest arguments]

Makes a virtual environment for each in .test-venvs/, installs the package into it as a user would, and
runs the tests; under the first one also the linters, the type checkers and the sanitizers. Exit status 0
if everything passed.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".test-venvs"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
# What does not depend on the version of Python is tested under the first one only.
ONCE = (
    "tests/conformance",
    "tests/programs",
    *(
        f"tests/test_{name}.py"
        for name in (
            *("arena_files", "async_cancel", "async_death", "async_many", "chaos", "crash_points"),
            *("cli_bench", "cli_clean", "cli_completion", "cli_doctor", "cli_flock", "cli_run"),
            *("cli_run_signals", "cli_explain", "cli_rm", "cli_top", "cli_views", "man_page"),
            *("death_barrier", "death_condition", "deadlock_graph"),
            *(
                "cli_views_real",
                "deadlocks_apart",
                "deadlocks_given_up",
                "heirs",
                "profiling_death",
            ),
            *("death_permits", "death_rwlock", "lifetime", "machines", "misuse", "models", "pains"),
            *(
                "configure",
                "looks_disturb_nobody",
                "inspect_dead",
                "inspect_ended",
                "inspect_hammered",
                "inspect_repr",
            ),
            *("inspect_statistics", "inspect_views", "inspect_waiters", "profiling_trace"),
        )
    ),
)
ASK = (
    "import ensurepip, os, sys, sysconfig, venv;"
    "assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'));"
    "print('%d.%d' % sys.version_info[:2])"
)


def version_of(python: str) -> str | None:
    """Its version, if it can make virtual environments and compile extensions."""
    try:
        done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, timeout=30)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def pythons() -> dict[str, str]:
    """One interpreter for each version that is found, this one first."""
    found: dict[str, str] = {}
    candidates = [sys.executable]
    candidates += filter(None, (shutil.which(f"python{version}") for version in VERSIONS))
    for version in VERSIONS:
        candidates += sorted(
            glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python"))
        )
    for candidate in candidates:
        version = version_of(candidate)
        if version in VERSIONS:
            found.setdefault(version, candidate)
    return found


def call(*command: str | Path, **env: str) -> bool:
    """Run a command; whether it succeeded."""
    print("+", *command, flush=True)
    return (
        subprocess.run(list(map(str, command)), cwd=ROOT, env={**os.environ, **env}).returncode == 0
    )


def environment(version: str, python: str, needed: str) -> Path | None:
    """A virtual environment with the package, and what is needed besides."""
    place = ENVIRONMENTS / version
    if not (place / "bin" / "python").exists() and not call(python, "-m", "venv", place):
        return None
    inside = place / "bin" / "python"
    pip = (inside, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    return inside if call(*pip, "--no-compile", f".[{needed}]") else None


def bytecode(version: str) -> dict[str, str]:
    """That what is imported is compiled only once, though the tests start thousands of processes."""
    return {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(ENVIRONMENTS / version / "bytecode"),
    }


def check(inside: Path, env: dict[str, str]) -> list[str]:
    """The checks that need to run only once; which failed."""
    sources = ("src", "tests", "benchmarks", "examples", "man", "setup.py", "run_tests.py")
    failed = []
    for name, command in {
        "ruff check": (inside, "-m", "ruff", "check", *sources),
        "ruff format": (inside, "-m", "ruff", "format", "--check", *sources),
        "mypy": (inside, "-m", "mypy"),
        "stubtest": (inside, "-m", "mypy.stubtest", "latchwork._core"),
        "sanitizers": (ROOT / "tests" / "c" / "sanitize.sh",),
    }.items():
        if not call(*command, PYTHON=str(inside), **env):
            failed.append(name)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], help="use this one, and no others")
    options, arguments = parser.parse_known_args()
    chosen = {version_of(python) or python: python for python in options.python} or pythons()
    if not chosen:
        print("no Python from 3.11 on with venv and headers was found", file=sys.stderr)
        return 1
    failed = []
    for number, (version, python) in enumerate(chosen.items()):
        before = time.monotonic()
        print(f"=== Python {version}: {python}", flush=True)
        inside = environment(version, python, "test,cli" if number else "test,cli,lint,programs")
        if inside is None:
            failed.append(f"{version}: installation")
            continue
        once = [] if number == 0 else [f"--ignore={path}" for path in ONCE]
        # A file at a time in each process, and two processes for each processor: they mostly wait.
        several = ("-n", str(min(2 * (os.cpu_count() or 1), 8)), "--dist", "loadfile")
        command = (inside, "-m", "pytest", "-q", "-m", "not long", *several, *once, *arguments)
        if not call(*command, **bytecode(version)):
            failed.append(f"{version}: tests")
        if number == 0 and not arguments:
            failed += check(inside, bytecode(version))
        print(f"=== Python {version}: {time.monotonic() - before:.0f} s", flush=True)
    print("FAILED: " + ", ".join(failed) if failed else f"all passed under {', '.join(chosen)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
