"""What all primitives have in common: handles, names, how they are made and shown."""

import itertools
import pickle
import threading
import weakref

import pytest
from doing import same, show, try_and_give_back
from engines import ENGINES
from remote import Remote

import latchwork

KINDS = {
    "Lock": (),
    "RLock": (),
    "Event": (),
    "Semaphore": (2,),
    "BoundedSemaphore": (2,),
    "Condition": (),
    "Barrier": (2,),
    "RWLock": (),
    "Latch": (2,),
}
NAMES = itertools.count()
every_kind = pytest.mark.parametrize("kind", KINDS)
change = {
    "Lock": "acquire",
    "RLock": "acquire",
    "Event": "set",
    "Semaphore": "acquire",
    "BoundedSemaphore": "acquire",
    "Condition": "acquire",
    "Barrier": "abort",
    "RWLock": "acquire_read",
    "Latch": "count_down",
}
change_back = {
    "Lock": "release",
    "RLock": "release",
    "Semaphore": "release",
    "BoundedSemaphore": "release",
    "Condition": "release",
    "RWLock": "release_read",
}


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


@pytest.fixture
def make(engine):
    """Make one of a kind; take away the names that were given."""
    named = []

    def make(kind, *args, name=None, **kwargs):
        primitive = engine.make(kind, *(args or KINDS[kind]), name=name, **kwargs)
        if name is not None:
            named.append(primitive)
        return primitive

    yield make
    for primitive in named:
        try:
            primitive.unlink()
        except ValueError:
            continue


@pytest.fixture
def name():
    return f"common law {next(NAMES)}"


def free(condition):
    """Whether another thread than this one could have its lock."""
    found = []
    thread = threading.Thread(target=lambda: found.append(try_and_give_back(condition)))
    thread.start()
    thread.join()
    return found[0]


look = {
    "Lock": lambda lock: lock.locked(),
    "RLock": lambda lock: lock.locked(),
    "Event": lambda event: event.is_set(),
    "Semaphore": lambda semaphore: semaphore.get_value(),
    "BoundedSemaphore": lambda semaphore: semaphore.get_value(),
    "Condition": free,
    "Barrier": lambda barrier: barrier.broken,
    "RWLock": lambda rwlock: rwlock.readers,
    "Latch": lambda latch: latch.count,
}


def changed(kind, primitive, of):
    """Change one handle's state; whether the other one's is changed. Then change it back."""
    before = look[kind](of)
    getattr(primitive, change[kind])()
    seen = look[kind](of) == look[kind](primitive) != before
    if kind in change_back:
        getattr(primitive, change_back[kind])()
    return seen


# --- the same object in another process, by every way ------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.made(kind, *args)) for kind, args in KINDS.items()],
)
def test_what_another_process_does_to_it_shows_here(pair, kind):
    before = pair.here(show)
    assert pair.there(show) == before
    pair.there(change[kind])
    assert pair.there(show) == pair.here(show) != before


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.made(kind, *args)) for kind, args in KINDS.items()],
)
def test_what_another_process_sends_back_is_the_same(pair, kind):
    for handle in pair.there(same):
        assert type(handle) is type(pair.here.primitive)
        assert repr(handle) == pair.here(show)
    assert changed(kind, handle, pair.here.primitive)


# --- handles ----------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_can_be_pickled_by_every_protocol(make, kind, protocol):
    primitive = make(kind)
    assert changed(kind, pickle.loads(pickle.dumps(primitive, protocol)), primitive)


@every_kind
def test_a_copy_is_another_handle_of_it(make, kind):
    primitive = make(kind)
    for handle in same(primitive):
        assert handle is not primitive
        assert type(handle) is type(primitive)
    assert changed(kind, handle, primitive)


@every_kind
def test_it_is_made_anew_inside_of_a_function(make, kind):
    one, other = make(kind), make(kind)
    assert not changed(kind, one, other)


@every_kind
def test_it_outlives_the_handle_that_it_was_made_by(make, kind):
    primitive = make(kind)
    handle = same(primitive)[0]
    del primitive
    assert changed(kind, same(handle)[0], handle)


@every_kind
def test_it_can_be_referred_to_weakly(make, kind):
    primitive = make(kind)
    reference = weakref.ref(primitive)
    assert reference() is primitive
    del primitive
    assert reference() is None


@every_kind
def test_it_can_be_a_key(make, kind):
    one, other = make(kind), make(kind)
    table = {one: 1, other: 2}
    assert (table[one], table[other]) == (1, 2)


class Mixin:
    def __init__(self, *args, **kwargs):
        self.note = "mine"

    def double(self):
        return self.note * 2


class MyLock(Mixin, latchwork.Lock): ...


class MyRLock(Mixin, latchwork.RLock): ...


class MyEvent(Mixin, latchwork.Event): ...


class MySemaphore(Mixin, latchwork.Semaphore): ...


class MyBoundedSemaphore(Mixin, latchwork.BoundedSemaphore): ...


class MyCondition(Mixin, latchwork.Condition): ...


class MyBarrier(Mixin, latchwork.Barrier): ...


class MyRWLock(Mixin, latchwork.RWLock): ...


class MyLatch(Mixin, latchwork.Latch): ...


SUBCLASSES = [
    MyLock,
    MyRLock,
    MyEvent,
    MySemaphore,
    MyBoundedSemaphore,
    MyCondition,
    MyBarrier,
    MyRWLock,
    MyLatch,
]


@pytest.mark.parametrize("cls", SUBCLASSES)
def test_users_may_subclass_it_and_a_copy_is_of_the_subclass(cls):
    kind = cls.__name__.removeprefix("My")
    primitive = cls(*KINDS[kind])
    assert primitive.double() == "minemine"
    for handle in same(primitive):
        assert type(handle) is cls
    assert changed(kind, handle, primitive)


# --- how it is made ----------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", None])
def test_a_context_makes_it(engine, kind, method):
    maker = engine.context(method)
    primitive = getattr(maker, kind)(*KINDS[kind])
    assert type(primitive) is type(engine.make(kind, *KINDS[kind]))
    assert changed(kind, same(primitive)[0], primitive)


@every_kind
def test_a_manager_makes_it(engine, kind):
    with engine.context("fork").Manager() as manager:
        primitive = getattr(manager, kind)(*KINDS[kind])
    assert type(primitive) is type(engine.make(kind, *KINDS[kind]))
    assert changed(kind, same(primitive)[0], primitive)


def test_what_it_is_made_with_may_be_named(engine):
    for maker in (latchwork, engine.context("spawn")):
        assert maker.Semaphore(value=3).get_value() == 3
        assert maker.Semaphore().get_value() == 1
        assert maker.Semaphore(value=3, owned=True).owned
        assert maker.BoundedSemaphore(value=3).get_value() == 3
        assert maker.BoundedSemaphore().get_value() == 1
        assert maker.Condition(lock=maker.Lock()).acquire()
        barrier = maker.Barrier(parties=3, action=None, timeout=0.01)
        assert barrier.parties == 3
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        assert maker.Latch(count=3).count == 3


# --- names -------------------------------------------------------------------------------------------


@every_kind
def test_one_name_is_one_object(make, kind, name):
    one, other = make(kind, name=name), make(kind, name=name)
    assert changed(kind, one, other)


@every_kind
def test_it_knows_its_name(make, kind, name):
    primitive = make(kind, name=name)
    for handle in (primitive, *same(primitive)):
        assert (handle.name, handle.namespace) == (name, "default")
        assert repr(name) in repr(handle)
    unnamed = make(kind)
    assert (unnamed.name, unnamed.namespace) == (None, None)


@every_kind
def test_a_namespace_keeps_names_apart(make, kind, name):
    one, other = make(kind, name=name), make(kind, name=name, namespace="elsewhere")
    assert (other.name, other.namespace) == (name, "elsewhere")
    assert not changed(kind, one, other)


@every_kind
def test_after_unlink_the_name_is_anothers_and_who_has_it_keeps_it(make, kind, name):
    one, other = make(kind, name=name), make(kind, name=name)
    one.unlink()
    assert (one.name, other.name) == (None, None)
    new = make(kind, name=name)
    assert changed(kind, one, other)
    assert not changed(kind, one, new)
    with pytest.raises(ValueError, match="no name"):
        other.unlink()
    assert new.name == name


@every_kind
def test_what_has_no_name_cannot_be_unlinked(make, kind):
    with pytest.raises(ValueError, match="no name"):
        make(kind).unlink()


@pytest.mark.parametrize(("kind", "wanted"), list(itertools.permutations(KINDS, 2)))
def test_a_name_belongs_to_one_kind(make, kind, wanted, name):
    primitive = make(kind, name=name)
    with pytest.raises(latchwork.KindError, match="another kind") as caught:
        make(wanted, name=name)
    assert isinstance(caught.value, TypeError)
    assert changed(kind, make(kind, name=name), primitive)


@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore", "Barrier", "Latch"])
def test_a_name_belongs_to_one_value(make, kind, name):
    primitive = make(kind, 2, name=name)
    with pytest.raises(latchwork.ConflictError, match=r"with \w+=2, not 3") as caught:
        make(kind, 3, name=name)
    assert isinstance(caught.value, ValueError)
    assert changed(kind, make(kind, 2, name=name), primitive)


def test_a_name_belongs_to_a_bounded_one_or_to_one_that_is_not(make, name):
    for owned in (False, True):
        make("BoundedSemaphore", 2, owned=owned, name=f"{name} {owned}")
        with pytest.raises((latchwork.ConflictError, latchwork.KindError)):
            make("Semaphore", 2, owned=owned, name=f"{name} {owned}")


@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_a_name_belongs_to_an_owned_one_or_to_one_that_is_not(make, kind, name):
    make(kind, 2, owned=True, name=name)
    with pytest.raises((latchwork.ConflictError, latchwork.KindError)):
        make(kind, 2, owned=False, name=name)


@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore", "Barrier", "Latch"])
def test_a_value_that_was_changed_is_no_conflict(make, kind, name):
    primitive = make(kind, name=name)
    getattr(primitive, change[kind])()
    assert repr(make(kind, name=name)) == repr(primitive)


@pytest.fixture(scope="module")
def stranger():
    remote = Remote.unrelated()
    yield remote
    remote.end()


@every_kind
def test_an_unrelated_process_has_it_by_name_and_sends_it_on(make, engine, kind, name, stranger):
    primitive = make(kind, name=name)
    stranger.make(0, engine.make, kind, *KINDS[kind], name=name)
    call = stranger.tell("do", "main", 0, same, (), {})
    for handle in stranger.wait(stranger.done, call):
        assert handle.name == name
    assert changed(kind, handle, primitive)
    stranger.drop(0)


@every_kind
def test_it_may_be_sent_to_an_unrelated_process_without_a_name(make, kind, stranger):
    primitive = make(kind)
    stranger.take(0, primitive)
    call = stranger.tell("do", "main", 0, show, (), {})
    assert stranger.wait(stranger.done, call) == repr(primitive)
    stranger.drop(0)


# --- what comes too late ------------------------------------------------------------------------------

SEND = """
import pickle, sys
import latchwork
sys.stdout.write(pickle.dumps(latchwork.{}(*{!r})).hex())
"""


@every_kind
def test_a_pickle_of_a_program_that_has_ended_is_gone(run, kind):
    pickled = bytes.fromhex(run(SEND.format(kind, KINDS[kind])))
    with pytest.raises(latchwork.GoneError, match="has ended"):
        pickle.loads(pickled)
