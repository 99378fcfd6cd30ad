"""What is seen of primitives: plain, frozen facts, the same for every engine.

Times are seconds since the epoch, as ``time.time()`` gives them. What can't be known is None.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a primitive."""

    pid: int
    thread: int | None
    """The kernel's id of the thread that acquired it (``threading.get_native_id()``). None: a task, or
    what is held belongs to the whole process."""
    program: str
    """The script that this process runs, such as ``train.py``."""
    since: float | None
    """When it was acquired, to a hundredth of a second."""
    count: int = 1
    """An RLock's depth, a semaphore's permits, a RWLock's read holds."""
    mode: str = "held"
    """``held``; of a RWLock ``read`` or ``write``."""
    exclusive: bool = False
    """Only this very thread or task may release it (an RLock's). What else is held any thread or
    process may release, so a deadlock in which it takes part is probable only."""
    task: int | None = None
    """The number of the asyncio or trio task that has it (an RLock), in that process."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who waits at a primitive."""

    pid: int
    thread: int
    """The kernel's id of the thread that waits, or in which the task runs that waits."""
    program: str
    since: float
    """When it began to wait."""
    wants: str
    """``acquire``, ``read``, ``write``; or ``wait`` for what anybody may bring about: an Event's set, a
    Condition's notify, a Barrier's parties, a Latch's count."""
    until: float | None = None
    """When its timeout ends it; None: it waits for ever."""
    is_task: bool = False
    """Whether a task waits, which lets its thread run."""
    task: int | None = None
    """The number of that task in its process, if it ever had to do with an RLock."""
    thread_name: str | None = None
    stack: tuple[str, ...] = ()
    """Where it waits: ``file:line in function``, innermost first. Known once a thread has
    waited for as long as ``latchwork.configure(look_after=)`` says (a second)."""

    @property
    def line(self) -> str | None:
        """The line of Python that waits."""
        return self.stack[0] if self.stack else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a primitive is doing at one moment."""

    kind: str
    """``Lock``, ``RLock``, ``Semaphore``, ``BoundedSemaphore``, ``Condition``, ``Event``, ``Barrier``,
    ``RWLock`` or ``Latch``."""
    name: str | None
    namespace: str | None
    place: str | None
    """Of one made at the top level of a module: ``file:line``."""
    id: str
    """Tells it from all others: the same in every process for as long as it lives."""
    state: str
    """``free`` or ``held`` (Lock, RLock); ``free``, ``read`` or ``write`` (RWLock); ``set`` or ``clear``
    (Event); ``open`` or ``closed`` (Latch); ``filling``, ``running`` or ``broken`` (Barrier);
    ``available`` or ``exhausted`` (semaphores); ``idle`` or ``waiting`` (Condition)."""
    value: int | None = None
    """A semaphore's free permits, a Latch's count, how many wait at a Barrier."""
    limit: int | None = None
    """A BoundedSemaphore's bound, a Barrier's parties, a Latch's count at first."""
    owners: tuple[Owner, ...] = ()
    waiters: tuple[Waiter, ...] = ()
    """Longest first."""
    abandoned: int = 0
    """How often somebody died with it."""
    taken: float = 0.0
    """When this was looked at."""
    lock_of: str | None = None
    """Of the RLock that a named Condition has for itself: the Condition's name."""

    @property
    def owner(self) -> Owner | None:
        """The one that holds it, if one only can."""
        return self.owners[0] if self.owners else None

    @property
    def title(self) -> str:
        """How it is called: ``Lock 'build'``, ``Lock at train.py:7``, ``Lock 3f2a:17``,
        ``RLock of Condition 'news'``."""
        if self.name is not None:
            return f"{self.kind} {self.name!r}"
        if self.lock_of is not None:
            return f"{self.kind} of Condition {self.lock_of!r}"
        return f"{self.kind} at {self.place}" if self.place else f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class Member:
    """A living process that is attached to an arena."""

    pid: int
    program: str
    since: float
    """When it attached."""


@dataclass(frozen=True, slots=True)
class View:
    """One arena: a program's own primitives, or those of a namespace."""

    namespace: str | None
    """None: the unnamed primitives of a program."""
    program: str | None
    """The script of the process that began the program."""
    root: int | None
    """The pid of that process."""
    path: str
    members: tuple[Member, ...]
    primitives: tuple[Statistics, ...]
    taken: float
