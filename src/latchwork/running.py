"""``python -m latchwork``: run a program as python itself would, patched."""

import builtins
import linecache
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any

import latchwork
from latchwork import cli
from latchwork.patching import patch

USAGE = """\
usage: python -m latchwork script.py [argument ...]
       python -m latchwork -m module [argument ...]
       python -m latchwork -c code [argument ...]
       python -m latchwork --version

Run a program unchanged, with multiprocessing's primitives replaced by Latchwork's, which outlive the
death of any process, in it and in all its children. Options of python itself stand before the first -m.

The command `latchwork` shows what Latchwork does: latchwork tour.
"""


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit status, or what the program raises."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    first, rest = arguments[0], arguments[1:]
    if first in ("-V", "--version"):
        print(f"latchwork {latchwork.__version__}")
    elif first == "tour" and not os.path.exists(first):
        # It was a command before programs could be run; a file of that name is one.
        return cli.main(arguments)
    elif first[:2] == "-m" and (first[2:] or rest):
        name, *rest = [first[2:], *rest] if first[2:] else rest
        _run_module(name, rest)
    elif first[:2] == "-c" and (first[2:] or rest):
        code, *rest = [first[2:], *rest] if first[2:] else rest
        _run_code(code, rest)
    elif first.startswith("-"):
        print(f"python -m latchwork: what is {first}?\n{USAGE}", end="", file=sys.stderr)
        return 2
    else:
        _run_path(first, rest)
    return 0


def _run_path(script: str, arguments: list[str]) -> None:
    # As python has it: the path is made absolute, and stays as it was written otherwise.
    path = os.path.join(os.getcwd(), script)
    sys.argv = [script, *arguments]
    if pkgutil.get_importer(path) is not None:  # a directory or a zip file with a __main__.py
        _set_first_path(path)
        _new_main(BuiltinImporter)
        _run(lambda: runpy._run_module_as_main("__main__", False))  # type: ignore[attr-defined]
        return
    sourceless = path.endswith(".pyc")
    loader = (SourcelessFileLoader if sourceless else SourceFileLoader)("__main__", path)
    try:
        source = loader.get_data(path)
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        print(f"{sys.executable}: can't open file {path!r}: {reason}", file=sys.stderr)
        sys.exit(2)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    main = _new_main(loader, __file__=path, __cached__=None)

    def run() -> None:
        code: Any = loader.get_code("__main__") if sourceless else _compile(source, path)
        exec(code, vars(main))

    _run(run)


def _run_module(name: str, arguments: list[str]) -> None:
    sys.argv = ["-m", *arguments]
    _new_main(BuiltinImporter)
    _run(lambda: runpy._run_module_as_main(name))  # type: ignore[attr-defined]


def _run_code(source: str, arguments: list[str]) -> None:
    sys.argv = ["-c", *arguments]
    _set_first_path("")
    main = _new_main(BuiltinImporter)
    if sys.version_info >= (3, 13):  # from then on python shows its lines in a traceback
        lines = source.splitlines(keepends=True)
        linecache.cache["<string>"] = (len(source), None, lines, "<string>")
    _run(lambda: exec(_compile(source, "<string>"), vars(main)))


def _compile(source: bytes | str, name: str) -> CodeType:
    return compile(source, name, "exec", dont_inherit=True)


def _set_first_path(path: str) -> None:
    if not sys.flags.safe_path:
        sys.path[0] = path


def _new_main(loader: Any, **names: object) -> ModuleType:
    """A main module as at python's own start, in the place of Latchwork's."""
    main = ModuleType("__main__")
    vars(main).update({"__annotations__": {}, "__builtins__": builtins}, __loader__=loader, **names)
    # multiprocessing made the second name when it was imported. It has children find the program's
    # functions, and Latchwork its module-level objects, by what stands there.
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
    return main


def _run(program: Callable[[], object]) -> None:
    patch()
    try:
        program()
    except BaseException as error:
        _hide_our_frames(error)
        raise


def _hide_our_frames(error: BaseException) -> None:
    """Have the traceback begin where it does without us; exit status and the rest are python's own."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    hook = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, whole: TracebackType | None) -> None:
        sys.excepthook = hook
        if value is error:
            whole = trace
            value.__traceback__ = trace
        hook(kind, value, whole)

    sys.excepthook = show
