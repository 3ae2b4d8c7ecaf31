"""``sp00ky health``: is the runner of this host ready?"""

from __future__ import annotations

import click

from sp00ky_core.cli.options import FAILED, Settings, command
from sp00ky_core.cli.output import say
from sp00ky_health import DEFAULT, ask


@command(name="health", short_help="Ask a runner whether it is ready.")
@click.argument("address", metavar="[HOST:PORT]", envvar="SP00KY_LISTEN", default=DEFAULT)
def health(_settings: Settings, *, address: str) -> int:
    """Ask the `/readyz` of `sp00ky run --listen` on this host: 0 it is ready, 1 it isn't.

    HOST:PORT is by default SP00KY_LISTEN, or 127.0.0.1:9464. It takes no configuration.
    """
    try:
        problem = ask(address)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if problem is not None:
        say(problem)
        return FAILED
    click.echo("ready")
    return 0
