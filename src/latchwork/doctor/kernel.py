"""What the kernel gives, tried out."""

import ctypes
import errno
import mmap
import os
import platform
import timeit
import warnings
from collections.abc import Callable, Iterator
from time import CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID

from latchwork import _core
from latchwork.doctor.finding import Finding, fine, note, wrong

WAITV_SINCE = (5, 16)
SYS_FUTEX_WAITV = 449  # the same on all architectures
CLOCK_MONOTONIC_COARSE = 6  # time(7): the module `time` has no name for it

# pthread.h of Linux: glibc and musl agree on these.
PTHREAD_PROCESS_SHARED = 1
PTHREAD_MUTEX_ROBUST = 1
ROOM = 64  # for a mutex, or its attributes, on any architecture


def _release() -> tuple[int, ...]:
    """The kernel's version, in numbers."""
    numbers = platform.release().split("-")[0].split(".")
    return tuple(int(part) for part in numbers[:2] if part.isdigit())


def version() -> Iterator[Finding]:
    """Which kernel this is."""
    yield fine("kernel", f"Linux {platform.release()} on {platform.machine()}")


def waitv_errno() -> int:
    """What the kernel says to a futex_waitv of nothing; EINVAL if it knows the call."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(SYS_FUTEX_WAITV, None, 0, 0, None, 0)
    return ctypes.get_errno()


def waiting_for_several() -> Iterator[Finding]:
    """Whether futex_waitv is there, and not forbidden."""
    topic = "futex_waitv"
    if _core.has_waitv():
        yield fine(topic, "works: a death is noticed at once")
        return
    slow = "a death is noticed by looking each 100 ms"
    if _release() < WAITV_SINCE:
        yield note(topic, f"this kernel has none: {slow}", "use Linux 5.16 or newer")
        return
    why = errno.errorcode.get(waitv_errno(), "?")
    do = (
        "let the sandbox (seccomp: of Docker, systemd, …) allow the system call futex_waitv: "
        "newer versions of Docker and libseccomp do"
    )
    yield note(topic, f"a sandbox forbids it ({why}): {slow}", do)


def _in_child(call: Callable[..., int], *arguments: object) -> int:
    """What a C function returns (a small number) in a process of its own, that ends at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child calls C only
        pid = os.fork()
    if pid == 0:
        os._exit(call(*arguments))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_told_of_death() -> bool:
    """Whether the kernel marks a robust mutex of a process that ends with it.

    This process itself never locks it: its own list of robust mutexes is none to try things out on.
    """
    libc = ctypes.CDLL(None)
    with mmap.mmap(-1, ROOM) as shared:
        attributes = ctypes.create_string_buffer(ROOM)
        mutex = (ctypes.c_char * ROOM).from_buffer(shared)
        libc.pthread_mutexattr_init(attributes)
        libc.pthread_mutexattr_setpshared(attributes, PTHREAD_PROCESS_SHARED)
        libc.pthread_mutexattr_setrobust(attributes, PTHREAD_MUTEX_ROBUST)
        libc.pthread_mutex_init(mutex, attributes)
        _in_child(libc.pthread_mutex_lock, mutex)
        found = _in_child(libc.pthread_mutex_trylock, mutex)
        del mutex  # else the mapping can't be closed
    return found == errno.EOWNERDEAD


def robust_futexes() -> Iterator[Finding]:
    """Whether the kernel tells of a death."""
    topic = "robust futexes"
    if is_told_of_death():
        yield fine(topic, "the kernel tells of deaths")
    else:
        yield wrong(
            topic,
            "the kernel does not tell of deaths (gVisor and some emulators don't): they are found by "
            "pid only, each 100 ms, and never in another container",
            "run this on Linux itself",
        )


def cost(clock: int) -> float:
    """Seconds that a look at that clock takes, at best."""
    timer = timeit.Timer(
        "look(clock)", "from time import clock_gettime as look", globals={"clock": clock}
    )
    return min(timer.repeat(5, 2000)) / 2000


def clocks() -> Iterator[Finding]:
    """Whether reading the clocks is a system call, which it is if the vDSO can't."""
    call = cost(CLOCK_THREAD_CPUTIME_ID)  # always is one
    for name, clock in (
        ("CLOCK_MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE),
        ("CLOCK_MONOTONIC", CLOCK_MONOTONIC),
    ):
        taken = cost(clock)
        says = f"{taken * 1e9:.0f} ns a look from Python"
        if taken < 0.8 * call:
            yield fine(name, says)
            continue
        yield note(
            name,
            f"{says}: each is a system call, so waiting with a timeout and profiling cost more",
            "see /sys/devices/system/clocksource/clocksource0: `tsc` (on a virtual machine also "
            "`kvm-clock`) needs none",
        )
