"""The tests of CPython that Latchwork need not pass, each with its reason.

They are run all the same, but are expected to fail; ``run.py`` says so if one of them passes, or if a
pattern matches nothing. Only those that take long to fail are not run without ``--all``. Names are
``method.Class.test``, the method one of fork, spawn, forkserver and threads (``test.lock_tests``); ``*``
and ``?`` as in file names.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple


class LeftOut(NamedTuple):
    """A pattern, why, and which versions of Python it is about."""

    pattern: str
    reason: str
    slow: bool = False  # takes long to fail
    sometimes: bool = False  # may as well pass
    since: tuple[int, int] = (3, 11)
    before: tuple[int, int] = (4, 0)

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.pattern)


_WORDING = "how threading words a repr; multiprocessing words it otherwise"
_NOT_BLOCKING = "ValueError for a timeout with blocking=False; multiprocessing ignores the timeout"
_AT_FORK = "asks for _at_fork_reinit(), which threading's own modules need of its locks"
_RLOCK_INSIDE = "asks for what threading.Condition needs of a threading.RLock"

# Verified by `run.py --baseline`: multiprocessing itself fails each of them.
FAILS_IN_MULTIPROCESSING = [
    LeftOut("threads.LockTests.test_repr", _WORDING),
    LeftOut("threads.LockTests.test_locked_repr", _WORDING),
    LeftOut("threads.LockTests.test_timeout", _NOT_BLOCKING),
    LeftOut("threads.LockTests.test_at_fork_reinit", _AT_FORK),
    LeftOut("threads.RLockTests.test_repr", _WORDING),
    LeftOut("threads.RLockTests.test_locked_repr", _WORDING),
    LeftOut("threads.RLockTests.test_timeout", _NOT_BLOCKING),
    LeftOut("threads.RLockTests.test_release_save_unacquired", _RLOCK_INSIDE),
    LeftOut("threads.EventTests.test_repr", _WORDING),
    LeftOut("threads.EventTests.test_at_fork_reinit", _AT_FORK),
    LeftOut("threads.*SemaphoreTests.test_repr", _WORDING),
    LeftOut("threads.*SemaphoreTests.test_acquire_timeout", _NOT_BLOCKING),
    LeftOut("threads.BarrierTests.test_repr", _WORDING),
    LeftOut(
        "*.WithThreadsTestPool.test_terminate",
        "multiprocessing.dummy's threads can't be terminated: a task of minutes runs on, if it began",
        sometimes=True,
    ),
]

# They pass in multiprocessing, but ask for what is inside of it.
INTERNALS = [
    LeftOut(
        "spawn.TestStartMethod.test_mixed_startmethod",
        "a queue of a fork context must be refused by a spawned child; ours works there",
    ),
    LeftOut(
        "*.WithManagerTestEvent.test_repr",
        "the words 'EventProxy object': there is no proxy, and no server behind it",
    ),
]
