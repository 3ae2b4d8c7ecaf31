"""Report what goes wrong in one line on stderr that says what to do, and choose the exit code."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sp00ky_core.cli.terminal.output import one_line
from sp00ky_core.cli.terminal.secrets import Secrets
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.outbox import TimeoutIgnored

FAILED = 1
INTERRUPTED = 130

_HELP_SHOWN: type[Exception] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group without a command shows its help; older clicks have no such error."""


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(f"sp00ky: {one_line(text)}", err=True)


def complain(error: Exception, secrets: Secrets, *, debug: bool) -> int:
    """Say what went wrong; the exit code."""
    if debug:
        # Without the frames' variables: they hold what the user's secrets are in.
        click.echo(secrets.hidden("".join(traceback.format_exception(error))), err=True)
    say(secrets.hidden(_text(error)))
    return error.exit_code if isinstance(error, Sp00kyError) else FAILED


def _text(error: Exception) -> str:
    if isinstance(error, Sp00kyError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (
        f"this is a bug: {type(error).__name__}: {error}; run it again with --debug, and report what it shows"
    )


def complain_usage(error: click.ClickException) -> int:
    """Say what is wrong with the command line; the exit code."""
    if isinstance(error, _HELP_SHOWN):
        error.show()
        return error.exit_code
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "sp00ky"
    say(f"{error.format_message().rstrip('.')}; see: {command} --help")
    return error.exit_code


@contextmanager
def warnings_said() -> Iterator[None]:
    """Our own warnings are said as a line too; others go where they go."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", TimeoutIgnored)
        show_other = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
            if issubclass(category, TimeoutIgnored):
                say(f"warning: {message}")
            else:
                show_other(message, category, *where, **more)  # type: ignore[arg-type]  # as they came

        warnings.showwarning = show
        yield
