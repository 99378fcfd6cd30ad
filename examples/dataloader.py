"""A PyTorch DataLoader whose workers share a lock, and one of them is killed with it.

    python -m latchwork examples/dataloader.py [fork | spawn | forkserver]

It uses nothing but torch and multiprocessing. The death is reported as ever (RuntimeError: DataLoader
worker … killed), and the next epoch runs. Under python itself the next epoch waits for ever for the lock:
the example gives up after ten seconds and says so.
"""

import multiprocessing
import os
import signal
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

PATIENCE = 10.0
SAMPLES = 32


class Shared(Dataset):
    """Samples out of something that only one worker at a time may read, counted for all of them."""

    def __init__(self, ctx):
        self.lock = ctx.Lock()
        self.kill = ctx.Event()
        self.read = torch.zeros(1, dtype=torch.int64).share_memory_()

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        with self.lock:
            if self.kill.is_set():
                self.kill.clear()
                os.kill(os.getpid(), signal.SIGKILL)  # what the OOM killer does
            self.read += 1
            return torch.full((2,), index)


def epoch(data, method):
    """Sum of an epoch, and how long it took."""
    before = time.monotonic()
    # Under spawn a worker imports torch again, which may take some seconds.
    patience = PATIENCE if method == "fork" else PATIENCE + 20
    loader = DataLoader(
        data, batch_size=4, num_workers=2, timeout=patience, multiprocessing_context=method
    )
    total = sum(int(batch.sum()) for batch in loader)
    return total, time.monotonic() - before


def main(method):
    data = Shared(multiprocessing.get_context(method))
    print(f"torch {torch.__version__}, {method}, the lock is {type(data.lock).__module__}'s")
    total, took = epoch(data, method)
    print(f"1. both workers live: {total} in {took:.1f} s, {int(data.read)} read")
    data.kill.set()
    try:
        epoch(data, method)
    except RuntimeError as error:
        print(f"2. a worker was killed with the lock: {str(error).splitlines()[0]}")
    data.read.zero_()
    try:
        total, took = epoch(data, method)
    except RuntimeError as error:
        print(f"3. the next epoch hung, and gave up: {str(error).splitlines()[0]}")
        return 1
    print(f"3. the next epoch: {total} in {took:.1f} s, {int(data.read)} read")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "fork"))
