"""The ``sp00ky`` command: its groups, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

import click

from sp00ky_core.cli.audit import audit
from sp00ky_core.cli.call import call
from sp00ky_core.cli.check import check
from sp00ky_core.cli.context import Settings, with_settings
from sp00ky_core.cli.demo import demo
from sp00ky_core.cli.errors import INTERRUPTED, complain, complain_usage, warnings_said
from sp00ky_core.cli.fleet.backends import backends
from sp00ky_core.cli.fleet.runners import runners
from sp00ky_core.cli.fleet.schedules import schedules
from sp00ky_core.cli.generate import generate
from sp00ky_core.cli.health import health
from sp00ky_core.cli.init import init
from sp00ky_core.cli.jobs import jobs
from sp00ky_core.cli.migrate import migrate
from sp00ky_core.cli.plan.command import plan
from sp00ky_core.cli.plugins import plugins
from sp00ky_core.cli.run.command import run
from sp00ky_core.cli.terminal.logs import logged
from sp00ky_core.errors import PluginLoadError
from sp00ky_core.plugins.registry import load_plugins

__all__ = ["cli", "main"]

STDERR = 2

BROUGHT = {"dashboard": "./contrib/sp00ky_dashboard"}
"""Commands of this project that distributions beside the core bring."""


class _Commands(click.Group):
    """The built-in commands, and those of plugins, which are loaded where another one is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name. Raises ``PluginLoadError`` where a plugin can't be loaded."""
        found = super().get_command(ctx, cmd_name) or load_plugins().commands.get(cmd_name)
        if found is None and cmd_name in BROUGHT:
            ctx.fail(f"{cmd_name!r} isn't installed: pip install {BROUGHT[cmd_name]}, in a clone")
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names for the help; a plugin that can't be loaded adds none."""
        with suppress(PluginLoadError):
            return sorted({*super().list_commands(ctx), *load_plugins().commands})
        return super().list_commands(ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sp00ky-core", prog_name="sp00ky")
@with_settings
def cli() -> None:
    """Use your database as the queue; a runner delivers its jobs over HTTP.

    Exit codes: 0 done; 1 the thing asked for failed; 2 usage or configuration.
    """


COMMANDS = (
    *(demo, init, check, migrate, run, health, call, plan, generate, plugins),
    *(jobs, backends, runners, schedules, audit),
)

for _command in COMMANDS:
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 the thing asked for failed, 2 usage or configuration."""
    _hold_closed_streams()
    _print_anything()
    sys.exit(_exit_code(list(sys.argv[1:] if arguments is None else arguments)))


def _hold_closed_streams() -> None:
    """Open standard streams that are closed (``>&-``): else a socket would get their number."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(opened)


def _print_anything() -> None:
    """Replace what the terminal's encoding lacks: a row's text must not end the command."""
    if isinstance(sys.stdout, TextIOWrapper):
        with suppress(OSError):
            sys.stdout.reconfigure(errors="replace")


def _color() -> bool | None:
    """Colour nothing where ``NO_COLOR`` is set; else what goes to a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def _exit_code(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    settings = Settings()
    try:
        with warnings_said(), logged(settings.secrets, debug=debug):
            # A pipe that its reader has closed ends the command in there, without a word.
            how: dict[str, Any] = {"prog_name": "sp00ky", "standalone_mode": False, "color": _color()}
            return int(cli.main(arguments, obj=settings, **how) or 0)
    except click.ClickException as error:
        return complain_usage(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # never a traceback unless it is asked for
        return complain(error, settings.secrets, debug=debug)
