"""Exit statuses of the command line: documented in docs/command-line.md and in the man page."""

OK = 0
NO = 1  # the answer is no: not set, not had, nothing found that was asked for
USAGE = 2  # the command line itself is wrong (as click has it)
ERROR = 3  # a named error of Latchwork: a corrupt file, no room, an unsafe directory
EXTRA = 4  # this command needs latchwork[cli]
DEADLOCK = 5  # `graph` and `explain`: there is one
BROKEN = 6  # the barrier is broken: somebody was killed in it, ran out of time, or aborted it
TIMEOUT = 124  # as timeout(1)
CANNOT_RUN = 126  # as env(1), timeout(1): the command was found but can't be run
NOT_FOUND = 127  # the command was not found
SIGNAL = 128  # plus its number: the command was killed by it
