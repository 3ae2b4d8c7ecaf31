"""``sp00ky demo``: the whole thing on one screen, with no services and no arguments."""

from __future__ import annotations

import click

from sp00ky_core.cli.logs import set_level
from sp00ky_core.cli.options import Settings, command

__all__ = ["demo"]


@command(short_help="Deliver 200 jobs to a backend that fails now and then.")
def demo(settings: Settings) -> None:
    """Deliver 200 jobs to a backend that fails now and then; needs no services and no arguments.

    Everything is in a temporary folder, which stays.
    """
    if settings.config or settings.store:
        raise click.UsageError("the demo brings its own configuration and store")
    from sp00ky_core.cli.demo.delivery import delivered  # noqa: PLC0415  # other commands start without it

    set_level("error")  # what is retried is on the screen
    for line in delivered():
        click.echo(line)
