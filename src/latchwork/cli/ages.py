"""How long ago, for people: two figures are enough."""


def age(seconds: float) -> str:
    """``340 ms``, ``3.4 s``, ``2 min 05 s``, ``3 d 04 h``; never negative: clocks may be put back."""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    for big, of_big, small, of_small, upto in (
        ("min", 60, "s", 1, 3600),
        ("h", 3600, "min", 60, 86400),
        ("d", 86400, "h", 3600, float("inf")),
    ):
        whole = round(seconds / of_small) * of_small
        if whole < upto:
            return f"{whole // of_big} {big} {whole % of_big // of_small:02} {small}"
    raise AssertionError("an age is not a number")


def short(seconds: float | None) -> str:
    """The same in six columns at most: ``340ms``, ``2m05s``; nothing for None."""
    return "" if seconds is None else age(seconds).replace("min", "m").replace(" ", "")
