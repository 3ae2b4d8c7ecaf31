"""The ``sp00ky`` command: its groups, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper

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
from sp00ky_core.cli.health import health
from sp00ky_core.cli.init import init
from sp00ky_core.cli.jobs import jobs
from sp00ky_core.cli.migrate import migrate
from sp00ky_core.cli.plugins import plugins
from sp00ky_core.cli.run.command import run
from sp00ky_core.cli.terminal.logs import logged

STDERR = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sp00ky-core", prog_name="sp00ky")
@with_settings
def cli() -> None:
    """Use your database as the queue; a runner delivers its jobs over HTTP.

    Exit codes: 0 done; 1 the thing asked for failed; 2 usage or configuration.
    """


COMMANDS = (
    *(demo, init, check, migrate, run, health, call, plugins),
    *(jobs, backends, runners, schedules, audit),
)

for command in COMMANDS:
    cli.add_command(command)


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


def _exit_code(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    settings = Settings()
    try:
        with warnings_said(), logged(settings.secrets, debug=debug):
            # A pipe that its reader has closed ends the command in there, without a word.
            return int(cli.main(arguments, prog_name="sp00ky", standalone_mode=False, obj=settings) or 0)
    except click.ClickException as error:
        return complain_usage(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # never a traceback unless it is asked for
        return complain(error, settings.secrets, debug=debug)
