"""with: the two methods that it calls are special for speed, and must not show it."""

import contextlib
import gc
import inspect
import sys
import weakref

import pytest

import latchwork

LIKE_LOCKS = [
    latchwork.Lock,
    latchwork.RLock,
    latchwork.Semaphore,
    latchwork.BoundedSemaphore,
    latchwork.Condition,
]


@pytest.mark.parametrize("kind", LIKE_LOCKS)
def test_enter_and_exit_can_be_called_by_hand(kind):
    it = kind()
    enter, leave = it.__enter__, it.__exit__
    assert enter() is True
    assert leave(None, None, None) is None
    assert enter() is True
    assert leave(KeyError, KeyError(), None) is None
    assert enter.__name__ == "__enter__"
    assert "__enter__" in repr(enter)
    assert enter.__self__ is it
    assert inspect.signature(enter) == inspect.signature(it.__enter__)
    with pytest.raises(TypeError):
        enter(1)
    with pytest.raises(TypeError):
        enter(x=1)


@pytest.mark.parametrize("kind", LIKE_LOCKS)
def test_a_class_gives_its_plain_functions(kind):
    it = kind()
    assert kind.__enter__(it) is True
    assert kind.__exit__(it, None, None, None) is None
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(it) is True


@pytest.mark.parametrize("kind", LIKE_LOCKS)
def test_an_exception_goes_through_and_leaves_it_free(kind):
    it = kind()
    for error in (KeyError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), it:
            raise error
    with it:
        pass


def test_a_subclass_may_have_its_own():
    class Counted(latchwork.Lock):
        entered = 0

        def __enter__(self):
            type(self).entered += 1
            return super().__enter__()

        def __exit__(self, *exc_info):
            return super().__exit__(*exc_info)

    lock = Counted()
    with lock, contextlib.suppress(KeyError):
        assert lock.locked()
        raise KeyError
    assert Counted.entered == 1
    assert not lock.locked()


@pytest.mark.parametrize("kind", LIKE_LOCKS)
def test_nothing_is_kept_alive_and_nothing_leaks(kind):
    it = kind()
    methods = [it.__enter__ for _ in range(100)]
    gone = weakref.ref(it)
    before = sys.getrefcount(kind)
    for _ in range(1000):
        with it:
            pass
    assert abs(sys.getrefcount(kind) - before) < 10
    del methods, it
    gc.collect()
    assert gone() is None


def test_read_and_write_of_a_rwlock():
    rwlock = latchwork.RWLock()
    with rwlock.read() as entered:
        assert entered is True
        assert rwlock.readers == 1
    with pytest.raises(KeyError), rwlock.write():
        raise KeyError
    hold = rwlock.read(timeout=1)
    for _ in range(3):
        with hold:
            assert rwlock.readers == 1
    with rwlock.write(), pytest.raises(TimeoutError, match="read"), rwlock.read(timeout=0.01):
        pass
    with rwlock.read(), pytest.raises(TimeoutError, match="written"), rwlock.write(0.01):
        pass
    gone = weakref.ref(rwlock)
    del rwlock, hold
    assert gone() is None
