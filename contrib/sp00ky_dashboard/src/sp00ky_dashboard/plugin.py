"""Register what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_dashboard.cli.command import dashboard

__all__ = ["sp00ky_register_commands"]


@hookimpl
def sp00ky_register_commands() -> Mapping[str, click.Command]:
    """Register ``sp00ky dashboard``."""
    return {"dashboard": dashboard}
