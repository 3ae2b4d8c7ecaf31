"""``sp00ky plugins``: what is installed."""

from __future__ import annotations

import attrs

from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.output import as_json, show_json, show_rows
from sp00ky_core.plugins import load_plugins

__all__ = ["plugins"]


@command()
@as_json
def plugins(_settings: Settings, *, json_wanted: bool) -> None:
    """Show the installed plugins and what each one registers."""
    infos = load_plugins().infos
    if json_wanted:
        show_json({"plugins": [attrs.asdict(info) for info in infos]})
        return
    show_rows(
        ("plugin", "distribution", "version", "registers", "hooks"),
        [
            (
                info.name,
                info.distribution,
                info.version,
                ", ".join(info.stores + info.transports + info.retry_strategies),
                ", ".join(info.hooks),
            )
            for info in infos
        ],
    )
