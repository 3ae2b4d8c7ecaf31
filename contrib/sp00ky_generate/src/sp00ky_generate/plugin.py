"""Register the command, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_generate.command import generate


@hookimpl
def sp00ky_register_commands() -> Mapping[str, click.Command]:
    """Register ``sp00ky generate``."""
    return {"generate": generate}
