"""What is fine on this machine, what is not, and what to do: ``latchwork doctor``.

Every check is a function that yields `Finding`s. It looks at how things are, by trying them where that
can be done, and changes nothing that stays.
"""

from collections.abc import Callable, Iterator

from latchwork.doctor import build, kernel, leftovers, limits, places, processes
from latchwork.doctor.finding import Finding, note, wrong

__all__ = ["CHECKS", "Finding", "examine", "is_well"]

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    build.python,
    build.core,
    build.libraries,
    kernel.version,
    kernel.waiting_for_several,
    kernel.robust_futexes,
    kernel.clocks,
    places.candidates,
    places.filesystem,
    places.space,
    limits.open_files,
    limits.address_space,
    limits.file_size,
    limits.tasks,
    processes.visible,
    processes.pid_namespace,
    processes.stacks,
    leftovers.files,
    leftovers.elsewhere,
)


def examine() -> Iterator[Finding]:
    """Make all checks; one that fails itself is a finding, and the others go on."""
    for check in CHECKS:
        try:
            yield from check()
        except OSError as error:
            yield note(check.__name__.replace("_", " "), f"could not be checked: {error}")
        except Exception as error:
            topic = check.__name__.replace("_", " ")
            yield wrong(topic, f"could not be checked: {error!r}", "report this: it is a bug")


def is_well(findings: list[Finding]) -> bool:
    """Whether nothing is wrong."""
    return all(finding.level != "wrong" for finding in findings)
