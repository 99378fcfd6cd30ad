"""The attribute ``_semlock`` of multiprocessing's primitives, which its own queues and others look at."""

from collections.abc import Callable


def _nobodys() -> bool:
    return False


def _none() -> int:
    return 0


class Count:
    """One of the semaphores inside of ``multiprocessing.Condition``, as far as its value goes."""

    __slots__ = ("get_value",)

    def __init__(self, get_value: Callable[[], int] = _none) -> None:
        self.get_value = get_value


class SemLock:
    """As much of ``_multiprocessing.SemLock`` as is asked for from outside."""

    __slots__ = ("_count", "_get_value", "_is_mine")

    def __init__(
        self,
        is_mine: Callable[[], bool] = _nobodys,
        count: Callable[[], int] = _none,
        value: Callable[[], int] = _none,
    ) -> None:
        self._is_mine, self._count, self._get_value = is_mine, count, value

    def _is_zero(self) -> bool:
        return self._get_value() == 0
