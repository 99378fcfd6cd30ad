"""CPython's test classes, made from its unmodified modules for the start method at hand.

A module of its own, because children find test classes by the module they are in.
"""

import os
import unittest

import exchange

METHOD = os.environ["LATCHWORK_CPYTHON_METHOD"]

if METHOD == "threads":
    from test import lock_tests

    for _class, _attribute, _name in (
        ("LockTests", "locktype", "Lock"),
        ("RLockTests", "locktype", "RLock"),
        ("EventTests", "eventtype", "Event"),
        ("ConditionTests", "condtype", "Condition"),
        ("SemaphoreTests", "semtype", "Semaphore"),
        ("BoundedSemaphoreTests", "semtype", "BoundedSemaphore"),
        ("BarrierTests", "barriertype", "Barrier"),
    ):
        globals()[_class] = type(
            _class,
            (getattr(lock_tests, _class),),
            {"__module__": __name__, _attribute: staticmethod(exchange.primitive(_name))},
        )
else:
    import multiprocessing

    from test import _test_multiprocessing

    _test_multiprocessing.install_tests_in_module_dict(globals(), METHOD)

    def _look(conn):
        conn.send((exchange.own(), exchange.kinds()))

    class Exchange(unittest.TestCase):
        """Ours, not CPython's: without this, all the others would prove nothing."""

        def test_children_have_what_the_parent_has(self):
            here, there = multiprocessing.Pipe()
            child = multiprocessing.Process(target=_look, args=(there,))
            child.start()
            there.close()
            own, kinds = here.recv()
            child.join()
            assert own == exchange.own()
            assert kinds == exchange.kinds()
            for name, modules in kinds.items():
                for module in modules:
                    assert module.startswith("latchwork.") == (name in own), kinds
            if not exchange.PLAIN:
                assert {"Lock", "Event"} <= set(own)
