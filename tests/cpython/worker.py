"""The main program of the processes that CPython's tests run in; ``run.py`` starts it.

A child that was spawned imports its parent's main program again, and a fork server preloads it: so what
stands at the top here happens in every process of a test, before ``test._test_multiprocessing`` is
imported, and that captures ``multiprocessing.Lock`` and the others when it is imported.
"""

import faulthandler
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import exchange  # noqa: E402

exchange.apply()
# Of a test that hangs, run.py asks all processes for their stacks. No test uses this signal.
faulthandler.register(signal.SIGRTMIN + 5, file=2, all_threads=True)


def main() -> int:
    import json
    import unittest

    method, report = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(report, False)
    # run.py prints this file when something hung: a line that is in no buffer then.
    sys.stdout.reconfigure(line_buffering=True)

    def tell(**what: object) -> None:
        os.write(report, json.dumps(what).encode() + b"\n")

    import suite

    loader = unittest.TestLoader()
    names = sorted(
        f"{name}.{test}"
        for name, cls in vars(suite).items()
        if isinstance(cls, type) and issubclass(cls, unittest.TestCase)
        for test in loader.getTestCaseNames(cls)
    )
    if sys.argv[3:] == ["list"]:
        tell(tests=names, own=exchange.own(), python=sys.version.split()[0])
        return 0

    class Result(unittest.TestResult):
        """Tells each outcome at once: one that hangs must not take those before it along."""

        def name(self, test: object) -> str:
            identity = test.id()
            if identity.startswith(("setUp", "tearDown")):  # "setUpClass (suite.Class)"
                what, _, where = identity.rstrip(")").partition(" (")
                return f"{where.rpartition('.')[2]}.{what}"
            return identity.partition(".")[2]

        def startTest(self, test):
            super().startTest(test)
            self.failed = False
            tell(start=self.name(test))

        def stopTest(self, test):
            super().stopTest(test)
            tell(stop=self.name(test))

        def addSuccess(self, test):
            tell(test=self.name(test), outcome="passed")

        def addSkip(self, test, reason):
            tell(test=self.name(test), outcome="skipped", detail=reason)

        def addError(self, test, err):
            super().addError(test, err)
            tell(test=self.name(test), outcome="failed", detail=self.errors[-1][1])

        def addFailure(self, test, err):
            super().addFailure(test, err)
            tell(test=self.name(test), outcome="failed", detail=self.failures[-1][1])

        def addSubTest(self, test, subtest, err):
            if err is not None:
                detail = self._exc_info_to_string(err, test)
                tell(test=self.name(test), outcome="failed", detail=f"{subtest}\n{detail}")

        def addExpectedFailure(self, test, err):
            tell(test=self.name(test), outcome="passed")

        def addUnexpectedSuccess(self, test):
            tell(test=self.name(test), outcome="failed", detail="passes, and CPython expects not")

    wanted = json.load(sys.stdin)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    unittest.TestSuite(loader.loadTestsFromName(name, suite) for name in wanted).run(Result())
    tell(end=True)
    del method
    return 0


if __name__ == "__main__":
    sys.exit(main())
