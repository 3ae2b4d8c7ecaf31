"""``sp00ky plugins``: what is installed."""

from __future__ import annotations

import attrs

from sp00ky_core.cli.output import show_list
from sp00ky_core.cli.settings import Settings, as_json, command
from sp00ky_core.plugins.registry import PluginInfo, load_plugins

COLUMNS = ("plugin", "distribution", "version", "registers", "hooks")


@command()
@as_json
def plugins(settings: Settings) -> None:
    """Show the installed plugins and what each one registers."""
    show_list("plugins", load_plugins().infos, attrs.asdict, COLUMNS, _row, json_wanted=settings.json)


def _row(info: PluginInfo) -> tuple[str, ...]:
    registers = ", ".join(info.stores + info.transports + info.retry_strategies + info.commands)
    return (info.name, info.distribution, info.version, registers, ", ".join(info.hooks))
