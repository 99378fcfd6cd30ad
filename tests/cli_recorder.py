"""A command that says each signal that reaches it, and how it is told to end: SIGUSR2.

``python -S cli_recorder.py [stopping | group]``: ``stopping`` stops as editors do, after it was told to;
``group`` first sends SIGTERM to its group, some times.
"""

import os
import signal
import sys


def say(text):
    os.write(1, f"{text}\n".encode())


def main():
    signals = set(signal.valid_signals()) - {signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    say(f"pid {os.getpid()}")
    for _ in range(5 if "group" in sys.argv else 0):
        os.kill(0, signal.SIGTERM)
        say(f"got {signal.Signals(signal.sigwaitinfo(signals).si_signo).name}")
    while True:
        number = signal.sigwaitinfo(signals).si_signo
        if number == signal.SIGUSR2:
            say("end")
            return
        known = number in iter(signal.Signals)
        say(f"got {signal.Signals(number).name if known else number}")
        if number == signal.SIGTSTP and "stopping" in sys.argv:
            os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main()
