"""The ``sp00ky`` command: its groups, and how an error is said."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from sp00ky_core.cli.call import call
from sp00ky_core.cli.check import check
from sp00ky_core.cli.context import pass_settings, with_settings
from sp00ky_core.cli.demo import demo
from sp00ky_core.cli.init import init
from sp00ky_core.cli.jobs import jobs
from sp00ky_core.cli.migrate import migrate
from sp00ky_core.cli.plugins import plugins
from sp00ky_core.cli.run import run
from sp00ky_core.errors import Sp00kyError

__all__ = ["main", "cli"]

FAILED = 1
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sp00ky-core", prog_name="sp00ky")
@with_settings
@pass_settings
def cli(_settings: object) -> None:
    """The outbox: your database is the queue, a runner delivers its jobs over HTTP."""


for command in (demo, init, check, migrate, run, call, plugins, jobs):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 the thing asked for failed, 2 usage or configuration."""
    sys.exit(_exit_code(list(sys.argv[1:] if arguments is None else arguments)))


def _exit_code(arguments: list[str]) -> int:
    try:
        return int(cli.main(arguments, prog_name="sp00ky", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; the interpreter must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001  # never a traceback unless it is asked for
        return _say(error, debug="--debug" in arguments)


def _say(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    if isinstance(error, Sp00kyError):
        text, code = str(error), error.exit_code
    else:
        text = f"{type(error).__name__}: {error} (this is a bug; --debug shows where)"
        code = FAILED
    click.echo(f"sp00ky: {' '.join(text.split())}", err=True)
    return code
