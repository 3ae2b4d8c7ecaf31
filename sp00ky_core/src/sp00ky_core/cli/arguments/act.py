"""Say why an operator does it, and who they are: for the audit."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sp00ky_core.cli.context import with_options

Command = TypeVar("Command", bound=Callable[..., Any])


def act_options(function: Command) -> Command:
    """Add ``--reason`` and ``--actor``."""
    actor = "Who does it, for the audit; by default SP00KY_ACTOR, or the login name."
    return with_options(
        click.option("--reason", metavar="TEXT", help="Why, for the audit."),
        click.option("--actor", metavar="NAME", envvar="SP00KY_ACTOR", default=_login_name, help=actor),
    )(function)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"
