"""How the tests are dealt out to several processes: a file at a time, and what takes longest first.

The processes have fixtures to share within a file; a test of the files below has none, and takes about as
long as a whole file of others: each is dealt out by itself. The rest goes by the number of tests, as with
xdist's own ``--dist loadfile``.
"""

from collections import Counter

from xdist.scheduler import LoadFileScheduling

LONGEST = ("test_models.py", "test_cpython.py", "test_chaos.py")


def longest_first(items):
    """Sort them: else one process works on the longest when all others are done."""
    tests = Counter(item.path for item in items)

    def rank(item):
        name = item.path.name
        return LONGEST.index(name) if name in LONGEST else len(LONGEST), -tests[item.path]

    items.sort(key=rank)


class Dealer(LoadFileScheduling):
    """In the order of the items."""

    def __init__(self, config, log=None):
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return nodeid if file.endswith(LONGEST) else file
