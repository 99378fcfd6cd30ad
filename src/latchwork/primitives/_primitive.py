"""What all primitives have in common: how they are made, named, pickled and shown."""

import sys
from multiprocessing import context, reduction
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from latchwork import _core, program, sites
from latchwork._code import CO_OPTIMIZED
from latchwork.errors import GoneError, InvalidNameError
from latchwork.passing import is_own

if TYPE_CHECKING:
    from latchwork.inspect.model import Statistics

NAME_MAX = 200
DEFAULT_NAMESPACE = "default"

Self = TypeVar("Self", bound="Primitive")


def check_name(name: object, what: str = "name") -> str:
    """Return a name that may be one; say what is wrong with any other."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a str, not {type(name).__name__}")
    if not name:
        raise InvalidNameError(f"{what} must not be empty: leave it out for an unnamed primitive")
    if len(name) > NAME_MAX:
        raise InvalidNameError(f"{what} must have at most {NAME_MAX} characters, not {len(name)}")
    if "/" in name or "\0" in name:
        raise InvalidNameError(f"{what} must not contain a slash or a NUL: {name!r}")
    return name


def digest(text: bytes) -> bytes:
    """What a text is compared by."""
    import hashlib  # takes long, and nothing without a name needs it

    return hashlib.blake2b(text, digest_size=16).digest()


def _spawned_descriptor(arena: "_core.Arena") -> Any:
    """Hand the arena's descriptor to a child that is being started, once for each child.

    So the arena outlives a parent that ends before its child has read what it was sent.
    """
    popen: Any = context.get_spawning_popen()
    if popen is None:
        return None
    sent = popen.__dict__.setdefault("_latchwork_sent", set())
    if arena.uuid in sent:
        return None
    sent.add(arena.uuid)
    return reduction.DupFd(arena.fd)


class Primitive:
    """The Python half of every primitive; the other base of each is a type of the C core."""

    __slots__ = ()
    kind: ClassVar[str]

    def __new__(cls: type[Self], *, name: str | None = None, namespace: str | None = None) -> Self:
        return cls._made(sys._getframe(1), name=name, namespace=namespace)

    @classmethod
    def _made(
        cls: type[Self], frame: FrameType, *, name: str | None = None, namespace: str | None = None
    ) -> Self:
        """Make or find the one that is meant by a call in that frame."""
        return cls._sited(frame, (), name, namespace)

    @classmethod
    def _sited(
        cls: type[Self],
        frame: FrameType,
        made: tuple[object, ...],
        name: str | None,
        namespace: str | None,
    ) -> Self:
        """The one of that name, or of that place in a module, or a new one; ``made`` is how."""
        if name is not None or namespace is not None:
            return cls._named(name, namespace, made)
        code = frame.f_code
        # Nearly always: inside of a function, where each is a new one.
        if not code.co_flags & CO_OPTIMIZED or code.co_name in sites.COMPREHENSIONS:
            key = sites.key(frame, cls.kind)
            if key is not None:
                text = key.encode("utf-8", "surrogateescape")
                return cls._from(program.arena(), digest(text), text[-1000:], *made)
        if made:
            return cls._from(program.arena(), None, None, *made)
        return cls._from(program.arena())

    @classmethod
    def _from(cls: type[Self], *where: object) -> Self:
        return super().__new__(cls, *where)

    @classmethod
    def _named(
        cls: type[Self], name: str | None, namespace: str | None, made: tuple[object, ...] = ()
    ) -> Self:
        if name is None:
            raise InvalidNameError("namespace= says where a name= is to be found: give both")
        text = check_name(name).encode("utf-8", "surrogatepass")
        if namespace is None:
            namespace = DEFAULT_NAMESPACE
        place = program.namespace(check_name(namespace, "namespace"))
        return cls._from(place.arena, digest(text), text, *made)

    @property
    def name(self) -> str | None:
        """The name that it was found by, or None."""
        core: Any = self
        text: str | None = core._name() if core._arena.persistent else None
        return text

    @property
    def namespace(self) -> str | None:
        """The namespace of its name, or None."""
        core: Any = self
        return program.place_of(core._arena).namespace

    def unlink(self) -> None:
        """Take its name away: the next one to ask for that name gets a new primitive.

        Those who have this one keep it. ValueError if it has no name (any more).
        """
        core: Any = self
        if not core._arena.persistent or not core._unlink():
            raise ValueError("this primitive has no name")

    def statistics(self) -> "Statistics":
        """What it is doing at this moment: its state, who holds it, who waits for it and for how long.

        Nobody is held up by the question, nor is anything promised of the moment after it. A frozen
        `latchwork.inspect.Statistics`; `latchwork.inspect` tells of all primitives, of other programs
        too. ``GoneError``.
        """
        from latchwork.inspect import reading  # takes long, and few ask

        return reading.statistics_of(self)

    def __repr__(self) -> str:
        try:
            seen = self.statistics()
            return f"<{self._called(seen)} {self._shown(seen)}{self._waited_for(seen)}>"
        except GoneError:
            return f"<{self.kind} (gone)>"
        except Exception as error:
            if not is_own(error):
                raise
            # No files, no memory, an interpreter that ends: it is for messages of errors.
            return f"<{self.kind}>"

    def _called(self, seen: "Statistics") -> str:
        if seen.lock_of is not None:
            return seen.title
        return f"{self.kind} {self.name!r}" if self.name is not None else self.kind

    def _shown(self, seen: "Statistics") -> str:
        """Its state in a few words."""
        if seen.owner is None:
            return "free"
        return f"held by pid {seen.owner.pid} ({seen.owner.program})"

    def _waited_for(self, seen: "Statistics") -> str:
        return f", {len(seen.waiters)} waiting" if seen.waiters else ""

    def __reduce__(self) -> Any:
        core: Any = self
        index, generation = core._pickling()
        place = program.place_of(core._arena)
        where = (place.path, place.arena.uuid, _spawned_descriptor(place.arena), place.namespace)
        return _attach, (type(self), where, index, generation, self.name, self._how_made())

    def _how_made(self) -> tuple[object, ...]:
        """What the C type needs to make it again, should its name have gone meanwhile."""
        return ()


def _attach(
    cls: type[Self],
    where: tuple[str, bytes, Any, str | None],
    index: int,
    generation: int,
    name: str | None,
    made: tuple[object, ...],
) -> Self:
    """Find a pickled primitive again."""
    path, uuid, descriptor, namespace = where
    inherited = descriptor.detach() if descriptor is not None else None
    try:
        return cls._from(program.attach(path, uuid, inherited, namespace), index, generation, *made)
    except GoneError:
        if name is None:
            raise
        return cls._named(name, namespace, made)
