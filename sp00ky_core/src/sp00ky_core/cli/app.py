"""The ``sp00ky`` command: its commands, each imported where it is asked for, and how it ends."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from io import TextIOWrapper

import click

from sp00ky_core.cli.command import FAILED, Commands, Settings, with_settings
from sp00ky_core.cli.logs import Secrets, logged, say
from sp00ky_core.error_texts import EXTENSIONS, who_asks_for

__all__ = ["cli", "main"]

STDERR = 2
INTERRUPTED = 130

COMMANDS = {
    **{name: name for name in ("demo", "check", "migrate", "run", "call", "jobs")},
    **dict.fromkeys(("init", "plugins", "new-adapter"), "project"),
    **dict.fromkeys(("backends", "runners", "audit", "health"), "fleet"),
}
"""The module of each, which is imported where the command, or the help, is asked for."""

BROUGHT = {"dashboard": "sp00ky-dashboard", "generate": "sp00ky-generate", **EXTENSIONS}
"""Commands of this project that distributions beside the core bring."""

_HELP_SHOWN: type[Exception] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group without a command shows its help; older clicks have no such error."""


class _Commands(Commands):
    """Holds the built-in commands, and those of plugins, which are loaded where another one is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name. Raises ``PluginLoadError`` where a plugin can't be loaded."""
        if cmd_name in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command = ctx.ensure_object(Settings).plugins.commands.get(cmd_name)
        if command is None and cmd_name in BROUGHT:
            from sp00ky_core.error_texts import install_hint  # noqa: PLC0415  # as below

            ctx.fail(f"{cmd_name!r} isn't installed: {install_hint(BROUGHT[cmd_name])}")
        if command is None and (former := who_asks_for(f"{ctx.command_path} {cmd_name}")):
            ctx.fail(former)
        return command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names for the help; a plugin that can't be loaded adds none."""
        from sp00ky_core.errors import PluginLoadError  # noqa: PLC0415  # what starts a command needs no errors

        names = super().list_commands(ctx)
        with suppress(PluginLoadError):
            names += ctx.ensure_object(Settings).plugins.commands
        return sorted(names)


@click.group(cls=_Commands, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sp00ky-core", prog_name="sp00ky")
@with_settings
def cli() -> None:
    """Use your database as the queue; a runner delivers its jobs over HTTP.

    Exit codes: 0 done; 1 the thing asked for failed; 2 usage or configuration.
    """


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
    color = False if os.environ.get("NO_COLOR") else None  # else what goes to a terminal
    try:
        with warnings.catch_warnings(), logged(settings.secrets, debug=debug):
            # A pipe that its reader has closed ends the command in there, without a word.
            code = cli.main(arguments, prog_name="sp00ky", standalone_mode=False, obj=settings, color=color)
            return int(code or 0)
    except click.ClickException as error:
        return _complain_usage(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # never a traceback unless it is asked for
        return _complain(error, settings.secrets, debug=debug)


def _complain(error: Exception, secrets: Secrets, *, debug: bool) -> int:
    """Say what went wrong; return the exit code."""
    from sp00ky_core.errors import Sp00kyError  # noqa: PLC0415  # what starts a command needs no errors

    if debug:
        # Without the frames' variables: they hold what the user's secrets are in.
        click.echo(secrets.hidden("".join(traceback.format_exception(error))), err=True)
    if isinstance(error, Sp00kyError):
        say(secrets.hidden(str(error)))
        return error.exit_code
    whose, told = _raised_by(error)
    text = f"this is a bug{whose}: {type(error).__name__}: {error}; run it again with --debug, and {told}"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    say(secrets.hidden(text))
    return FAILED


def _raised_by(error: Exception) -> tuple[str, str]:
    """Say whose bug an error is, and who is to know what ``--debug`` shows."""
    points = {point.module.partition(".")[0]: point.dist for point in entry_points(group="sp00ky")}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if module == "sp00ky_core":
            break
        if dist := points.get(module):
            call = f"{frame.f_code.co_qualname}() raised what is no Sp00kyError"
            return f" of {dist.name}, whose {call}", f"tell the authors of {dist.name}"
    return "", "report what it shows"


def _complain_usage(error: click.ClickException) -> int:
    """Say what is wrong with the command line; return the exit code."""
    if isinstance(error, _HELP_SHOWN):
        error.show()
        return error.exit_code
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "sp00ky"
    text = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption):
        text = who_asks_for(f"{command} {error.option_name}") or text
    say(f"{text}; see: {command} --help")
    return error.exit_code
