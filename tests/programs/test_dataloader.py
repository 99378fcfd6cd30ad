"""PyTorch's DataLoader. Torch is large, so it is in no extra: this runs where it is installed."""

from pathlib import Path

import pytest
from actors import METHODS

pytest.importorskip("torch", reason="torch is not installed")

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "dataloader.py"


@pytest.mark.parametrize("method", METHODS)
def test_the_next_epoch_gets_the_lock_of_a_worker_that_was_killed(method, program):
    """And the death is reported as ever."""
    _, before, death, after = program(EXAMPLE.read_text(), method)
    assert before.startswith("1. both workers live: 992 in")
    assert "DataLoader worker (pid(s)" in death
    assert after.startswith("3. the next epoch: 992 in")
    assert after.endswith("32 read")
