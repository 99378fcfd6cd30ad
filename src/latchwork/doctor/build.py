"""This Python, the core that was built for it, and the libraries that are no must."""

import ctypes
import importlib.util
import platform
import sys
import sysconfig
from collections.abc import Iterator

import latchwork
from latchwork import _core
from latchwork.doctor.finding import Finding, fine, note, wrong

TESTED = ((3, 11), (3, 13))
# Of the extra `cli`, and what each is for.
LIBRARIES = {
    "click": "the command line",
    "rich": "tables and colours",
    "textual": "`latchwork top`",
    "grandalf": "`latchwork graph`",
}


def is_free_threaded() -> bool:
    """Whether this Python can do without the global lock."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def python() -> Iterator[Finding]:
    """Whether it is one that Latchwork is tested with."""
    says = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if is_free_threaded():
        yield note("Python", f"{says}, free-threaded: not tested", "use the usual build of it")
    elif sys.implementation.name != "cpython":
        yield note("Python", f"{says}: not tested", "use CPython")
    elif not TESTED[0] <= sys.version_info[:2] <= TESTED[1]:
        versions = " to ".join(".".join(map(str, version)) for version in TESTED)
        yield note("Python", f"{says}: tested with {versions}")
    else:
        yield fine("Python", says)


def _is_sanitized() -> bool:
    library = ctypes.CDLL(_core.__file__)
    return any(hasattr(library, name) for name in ("__asan_init", "__ubsan_handle_add_overflow"))


def core() -> Iterator[Finding]:
    """Whether it is a build to be used."""
    says = f"latchwork {latchwork.__version__}, layout {_core.LAYOUT_VERSION} ({_core.__file__})"
    again = "pip install --force-reinstall latchwork"
    if _core.crash_points():
        yield wrong(
            "core", f"{says}: a test build, that can be stopped at every crash point", again
        )
    elif _is_sanitized():
        yield note("core", f"{says}: a test build, with sanitizers, and slow", again)
    else:
        yield fine("core", says)


def libraries() -> Iterator[Finding]:
    """Which of them are there."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        lacking = ", ".join(f"{name} ({LIBRARIES[name]})" for name in missing)
        yield note("libraries", f"not installed: {lacking}", "pip install 'latchwork[cli]'")
    else:
        yield fine("libraries", ", ".join(LIBRARIES))
