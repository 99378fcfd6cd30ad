"""`latchwork run` beside flock(1): both do each case of the table for real."""

import shutil
from pathlib import Path

import pytest
from cli_flock_table import HEAD, ROWS, Tool

DOCS = Path(__file__).resolve().parent.parent / "docs" / "command-line-flock.md"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_latchwork_run_does_what_the_table_says(row, tmp_path):
    assert row.scene(Tool(False, tmp_path)) == row.expected


@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock(1) here")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_flock_does_what_the_table_says(row, tmp_path):
    assert row.scene(Tool(True, tmp_path)) == row.flock


def test_the_table_is_that_of_the_documentation():
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith("|")]
    assert lines == [*HEAD, *map(str, ROWS)]


def test_every_difference_has_a_reason():
    assert [row.case for row in ROWS if bool(row.ours) != bool(row.why)] == []
