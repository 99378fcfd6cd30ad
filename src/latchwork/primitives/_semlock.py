"""The attribute ``_semlock`` of multiprocessing's primitives, which its own queues and others look at."""

from collections.abc import Callable
from dataclasses import dataclass


def _nobodys() -> bool:
    return False


def _none() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Count:
    """One of the semaphores inside of ``multiprocessing.Condition``, as far as its value goes."""

    get_value: Callable[[], int] = _none


@dataclass(frozen=True, slots=True)
class SemLock:
    """As much of ``_multiprocessing.SemLock`` as is asked for from outside."""

    is_mine: Callable[[], bool] = _nobodys
    count: Callable[[], int] = _none
    value: Callable[[], int] = _none

    def _is_mine(self) -> bool:
        return self.is_mine()

    def _count(self) -> int:
        return self.count()

    def _get_value(self) -> int:
        return self.value()

    def _is_zero(self) -> bool:
        return self.value() == 0
