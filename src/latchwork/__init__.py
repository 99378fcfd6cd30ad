"""Latchwork: multiprocessing's primitives, that outlive the death of any process.

``import latchwork as mp`` serves as ``import multiprocessing as mp``.
"""

from latchwork import _platform as _platform  # isort: skip  (first: it says where not to run)
import multiprocessing as _multiprocessing
from importlib import import_module as _import_module
from multiprocessing import (
    AuthenticationError,
    BufferTooShort,
    Process,
    ProcessError,
    TimeoutError,
    active_children,
    cpu_count,
    current_process,
    parent_process,
)
from os import environ as _environ
from typing import Any as _Any

from latchwork import _hooks as _hooks
from latchwork.context import default as _default
from latchwork.errors import (
    BrokenBarrierError,
    ConflictError,
    CorruptError,
    DeadlockError,
    DeadlockWarning,
    GoneError,
    InvalidNameError,
    KindError,
    LatchworkError,
    NoRoomError,
    NotHeldError,
    NotOwnedError,
    PatchWarning,
    UnsafeDirectoryError,
    VersionError,
)
from latchwork.patching import patch, unpatch
from latchwork.primitives import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Latch,
    Lock,
    RLock,
    RWLock,
    Semaphore,
)
from latchwork.settings import configure
from latchwork.settings import from_environment as _from_environment
from latchwork.waiting import wait, wait_async

if _environ.get("LATCHWORK_DEADLOCK") or _environ.get("LATCHWORK_LOOK_AFTER"):
    _from_environment()
if _environ.get("LATCHWORK_PROFILE"):
    from latchwork.profiling import recording as _recording

    _recording.start_from_environment()

__version__ = "0.5.0"

Array = _default.Array
JoinableQueue = _default.JoinableQueue
Manager = _default.Manager
Pipe = _default.Pipe
Pool = _default.Pool
Queue = _default.Queue
RawArray = _default.RawArray
RawValue = _default.RawValue
SimpleQueue = _default.SimpleQueue
Value = _default.Value
allow_connection_pickling = _default.allow_connection_pickling
freeze_support = _default.freeze_support
get_all_start_methods = _default.get_all_start_methods
get_context = _default.get_context
get_logger = _default.get_logger
get_start_method = _default.get_start_method
log_to_stderr = _default.log_to_stderr
reducer = _multiprocessing.reducer
set_executable = _default.set_executable
set_forkserver_preload = _default.set_forkserver_preload
set_start_method = _default.set_start_method

__all__ = [
    "Array",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "BufferTooShort",
    "Condition",
    "ConflictError",
    "CorruptError",
    "DeadlockError",
    "DeadlockWarning",
    "Event",
    "GoneError",
    "InvalidNameError",
    "JoinableQueue",
    "KindError",
    "Latch",
    "LatchworkError",
    "Lock",
    "Manager",
    "NoRoomError",
    "NotHeldError",
    "NotOwnedError",
    "PatchWarning",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "Queue",
    "RLock",
    "RWLock",
    "RawArray",
    "RawValue",
    "Semaphore",
    "SimpleQueue",
    "TimeoutError",
    "UnsafeDirectoryError",
    "Value",
    "VersionError",
    "active_children",
    "allow_connection_pickling",
    "configure",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "patch",
    "reducer",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
    "unpatch",
    "wait",
    "wait_async",
]


def __getattr__(name: str) -> _Any:
    """Hand on multiprocessing's submodules (``mp.connection``, ``mp.shared_memory``) and the like."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "managers":
        # Its own, even if multiprocessing's has been imported and this one has not yet.
        return _import_module("latchwork.managers")
    return getattr(_multiprocessing, name)
