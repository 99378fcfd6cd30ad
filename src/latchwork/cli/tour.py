"""``latchwork tour``."""

import click


@click.command("tour")
def command() -> int:
    """Show what it does, with real processes, in ten seconds."""
    from latchwork import tour

    return tour.main()
