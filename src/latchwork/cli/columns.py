"""The columns of `top`: what is in them, how wide they are, by what they are sorted."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from latchwork.cli import describe
from latchwork.cli.ages import short
from latchwork.cli.output import one_line, printable
from latchwork.cli.rates import Rates
from latchwork.cli.rows import Row
from latchwork.inspect import Statistics

# The first and the last share what the others leave.
WIDTHS = {
    "PRIMITIVE": 0,
    "STATE": 12,
    "WAITING": 7,
    "LONGEST": 7,
    "HELD": 7,
    "RATE": 6,
    "OWNER": 0,
}
RIGHT = frozenset({"WAITING", "LONGEST", "HELD", "RATE"})
GAP = 1
AT_LEAST = 20  # for the first and the last: else others are left out
Key = Callable[[Row], Any]


def _by(value: Callable[[Row, Rates], float | None]) -> Callable[[Rates], Key]:
    """Most first; of those that are alike by name, so that they stay where they are."""

    def with_rates(rates: Rates) -> Key:
        return lambda row: (
            -(value(row, rates) or 0.0),
            describe.called(row.primitive),
            row.primitive.id,
        )

    return with_rates


SORTS: dict[str, Callable[[Rates], Key]] = {
    "longest": _by(lambda row, _: describe.longest_wait(row.primitive)),
    "waiting": _by(lambda row, _: len(row.primitive.waiters)),
    "held": _by(lambda row, _: describe.held_for(row.primitive)),
    "rate": _by(lambda row, rates: rates.of(row.primitive)),
    "name": _by(lambda _row, _rates: 0.0),
}
SORTED_BY = {
    "longest": "LONGEST",
    "waiting": "WAITING",
    "held": "HELD",
    "rate": "RATE",
    "name": "PRIMITIVE",
}


def titles() -> tuple[str, ...]:
    """What stands above."""
    return tuple(WIDTHS)


def as_cells(row: Row, rates: Rates) -> tuple[Text, ...]:
    """A row of the table."""
    one = row.primitive
    rate = rates.of(one)
    red = "red" if row.stuck else ""
    return (
        Text(_title(one), red),
        Text(row.state, row.style),
        Text(str(len(one.waiters)), red if one.waiters else "dim"),
        Text(short(describe.longest_wait(one)), red),
        Text(short(describe.held_for(one)), red),
        Text("" if rate is None else f"{rate:.1f}", red),
        Text(describe.owners(one), red),
    )


def _title(one: Statistics) -> str:
    """Short: of what has little room the end is cut off, and that is what tells one from another."""
    kind = "Bounded" if one.kind == "BoundedSemaphore" else one.kind
    called = os.path.basename(one.place) if one.place else describe.called(one)
    return f"{kind} {printable(called)}"


def widths(width: int) -> dict[str, int]:
    """The columns that a terminal of that width has room for, and how wide each is."""
    columns = dict(WIDTHS)
    for least in ("RATE", "HELD", "STATE", "LONGEST"):
        if _left(width, columns) < AT_LEAST:
            del columns[least]
    left = _left(width, columns)
    owner = max(8, min(left // 2, 40))
    return {**columns, "PRIMITIVE": max(left - owner, 8), "OWNER": owner}


def _left(width: int, columns: dict[str, int]) -> int:
    return width - sum(columns.values()) - GAP * len(columns)


def fitted(row: Row, rates: Rates, width: dict[str, int]) -> tuple[Text, ...]:
    """A row, each cell as wide as its column, the gap included: the cursor has no holes."""
    made = []
    cells = dict(zip(titles(), as_cells(row, rates), strict=True))
    for title, wide in width.items():
        cell = cells[title]
        text = one_line(cell.plain, wide)
        text = text.rjust(wide) if title in RIGHT else text.ljust(wide)
        made.append(Text(text + " " * GAP, cell.style))
    return tuple(made)


def filtered(rows: Iterable[Row], pattern: str, *, everything: bool) -> list[Row]:
    """Those that somebody has to do with, and that contain the text, whatever its case."""
    wanted = pattern.casefold()
    return [row for row in rows if (everything or row.is_of_interest) and wanted in _searched(row)]


def _searched(row: Row) -> str:
    one = row.primitive
    waiters = " ".join(f"{it.pid} ({it.program})" for it in one.waiters)
    where = describe.where(row.view)
    owners = describe.owners(one, most=len(one.owners))
    return f"{one.title} {where} {row.state} {owners} {waiters}".casefold()


def table(shown: list[Row], rates: Rates) -> Table:
    """For a terminal, once."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in WIDTHS:
        right = title in RIGHT
        made.add_column(title, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in shown:
        made.add_row(*as_cells(row, rates))
    return made
