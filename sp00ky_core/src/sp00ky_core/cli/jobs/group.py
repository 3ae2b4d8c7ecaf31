"""The group that the commands of this room join."""

from __future__ import annotations

import click

from sp00ky_core.cli.context import with_settings


@click.group()
@with_settings
def jobs() -> None:
    """Look at jobs, and look after them."""
