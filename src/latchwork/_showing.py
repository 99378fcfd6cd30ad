"""Figures and tables, in plain text."""

from collections.abc import Collection, Sequence


def seconds(value: float) -> str:
    """Write a time with three digits and a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 999.5 * size else f"{value:.0f} {unit}"
    return f"{value * 1e9:.3g} ns"


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Of each column, the longest cell."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(
    rows: Sequence[Sequence[str]], wide: Sequence[int], left: Collection[int]
) -> list[list[str]]:
    """The cells, filled up to those widths; those of the columns ``left`` begin at the left."""
    return [
        [cell.ljust(wide[i]) if i in left else cell.rjust(wide[i]) for i, cell in enumerate(row)]
        for row in rows
    ]
