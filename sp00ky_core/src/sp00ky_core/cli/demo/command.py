"""The command ``sp00ky demo``."""

from __future__ import annotations

import click

from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.terminal.logs import set_level


@command(short_help="Deliver 200 jobs to a backend that fails now and then.")
@click.pass_context
def demo(context: click.Context, /, settings: Settings) -> None:
    """Deliver 200 jobs to a backend that fails now and then; needs no services and no arguments.

    Everything is in a temporary folder, which stays.
    """
    if settings.config or settings.store:
        raise click.UsageError("the demo brings its own configuration and store", context)
    from sp00ky_core.cli.demo.delivery import delivered  # noqa: PLC0415  # other commands start without it

    set_level("error")  # what is retried is on the screen
    for line in delivered():
        click.echo(line)
