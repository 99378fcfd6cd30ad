"""Starting processes, and waiting until they are where they are to be."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from latchwork.bench.measuring import FORK

PATIENCE = 60.0


@contextmanager
def running(
    target: Callable[..., None], calls: list[tuple[Any, ...]]
) -> Iterator[list[BaseProcess]]:
    """A process for each call; at the end all have ended, by themselves unless something went wrong."""
    processes: list[BaseProcess] = []
    try:
        for arguments in calls:
            processes.append(FORK.Process(target=target, args=arguments))
            processes[-1].start()
        yield processes
        for process in processes:
            process.join(PATIENCE)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {PATIENCE:.0f} s")
        time.sleep(0.001)


def sleep_mark(pid: int) -> str | None:
    """What changes whenever the process runs; None while it doesn't sleep."""
    text = Path(f"/proc/{pid}/status").read_text()
    if "\nState:\tS" not in text:
        return None
    return text[text.index("\nvoluntary_ctxt_switches") :]


def wait_till_asleep(processes: list[BaseProcess], ready: Any) -> None:
    """Until all have come to the call that blocks, sleep, and have not run between two looks.

    Each says that it is there just before the call. A single look at one after the other could catch
    some that only wait for a short lock inside of it, while its owner has not been looked at yet.
    """
    before: list[str | None] = []

    def asleep() -> bool:
        nonlocal before
        last, before = before, [sleep_mark(process.pid or 0) for process in processes]
        return all(ready) and None not in before and before == last

    until(asleep)


def cpu_pair() -> tuple[int, int]:
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[-1]


def hear(connection: Connection) -> Any:
    """What the other process says next."""
    if not connection.poll(PATIENCE):
        raise TimeoutError(f"nothing was said for {PATIENCE:.0f} s")
    return connection.recv()
