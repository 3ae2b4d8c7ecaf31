"""Read what commands are given: durations, instants, numbers of workers, names, who does it and why."""

from __future__ import annotations

import getpass
import math
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from sp00ky_core.cli.settings import Command, option, with_options
from sp00ky_core.config import find_config
from sp00ky_core.config.values import seconds_of
from sp00ky_core.contract import load_contract
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.options import MAX_DELAY
from sp00ky_core.plugins.registry import load_config
from sp00ky_health import address_of

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic in newer clicks only


class Seconds(click.FloatRange):
    """Reads a duration, in seconds within limits; NaN is none."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse NaN too, which no comparison refuses."""
        with suppress(ValueError):
            value = seconds_of(str(value))
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail("nan isn't a number of seconds", param, ctx)
        return seconds


class _Workers(click.IntRange):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Take ``auto`` for one worker for each CPU that this process may use."""
        count: int = super().convert(usable_cpus() if value == "auto" else value, param, ctx)
        return count


def usable_cpus() -> int:
    """Count the CPUs that this process may use; all, where the system doesn't tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Read(_ParamType):
    """Reads a text by a function, whose ``ValueError`` says what is wrong with it."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text."""
        try:
            return self._read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _duration(text: str) -> timedelta:
    """Read seconds, or a number with a unit: ``90``, ``500ms``, ``5m``, ``6h``, ``14d``."""
    try:
        seconds = seconds_of(text)
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} isn't a duration, such as 90, 5m or 6h") from None
    if not 0 <= seconds <= MAX_DELAY.total_seconds():
        raise ValueError(f"{text!r} isn't a duration from 0 to {MAX_DELAY.days} days")
    return timedelta(seconds=seconds)


def _instant(text: str, *, kind: str, direction: int) -> datetime:
    """Read ``2026-01-31T12:00:00Z``, or ``2h``: so long before or after now by this host's clock."""
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        try:
            seconds_of(text)
        except ValueError:
            either = f"{kind}, such as 2h or 3d, nor 2026-01-31T12:00:00Z"
            raise ValueError(f"{text!r} is neither {either}") from None
        return _now() + direction * _duration(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: 2026-01-31T12:00:00Z, or +01:00 for Z")
    return at


def _past(text: str) -> datetime:
    """Read what ``INSTANT`` is, but no time to come."""
    at = _instant(text, kind="an age", direction=-1)
    if at > _now() + CLOCKS_DIFFER:
        raise ValueError(f"{text!r} is yet to come: nothing can match")
    return at


def _now() -> datetime:
    """Take one moment for all that a command is given: ``--since 1h --until 1h`` is no time at all."""
    now = datetime.now(UTC)
    context = click.get_current_context(silent=True)
    moment: datetime = now if context is None else context.meta.setdefault(__name__, now)
    return moment


def _address(text: str) -> str:
    """Check that a text is ``PORT`` or ``HOST:PORT``."""
    address_of(text)
    return text


ADDRESS = _Read("address", _address)

DURATION = _Read("duration", _duration)

INSTANT = _Read("instant", partial(_instant, kind="an age", direction=-1))
"""A duration is so long ago."""

PAST = _Read("instant", _past)
"""The same, of what has happened then or later."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""By so much this host's clock may be behind the database's."""

LATER = _Read("instant", partial(_instant, kind="a time from now", direction=+1))
"""A duration is so long from now."""

WORKERS = _Workers(1, 1_000)


def limit_option(default: int, text: str) -> Callable[[Command], Command]:
    """Add ``--limit`` to a command that lists."""
    return option("--limit", text, type=click.IntRange(1, 10_000), default=default)


def page_options(record: str, records: str) -> Callable[[Command], Command]:
    """Add ``--limit`` and ``--after`` to a command that lists pages."""
    after = f"The last {record} of the page before ('next' in the JSON)."
    return with_options(limit_option(50, f"{records} on a page."), option("--after", after, metavar="ID"))


def usual_actor() -> str:
    """Return who acts where no ``--actor`` is given."""
    return os.environ.get("SP00KY_ACTOR") or _login_name()


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


act_options: Callable[[Command], Command] = with_options(
    option("--reason", "Why, for the audit.", metavar="TEXT"),
    option(
        "--actor",
        "Who does it, for the audit; by default SP00KY_ACTOR, or the login name.",
        metavar="NAME",
        envvar="SP00KY_ACTOR",
        default=_login_name,
        show_default=False,
    ),
)
"""Adds ``--reason`` and ``--actor``."""


def backend_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a backend; none where the nearest sp00ky.yml can't be read."""
    try:
        config = load_config(find_config())
    except Sp00kyError:
        return []
    return [name for name in config.backends if name.startswith(incomplete)]


def operation_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an operation of the backend that was given before."""
    try:
        config = load_config(find_config()).backends[context.params["backend"]]
        contract = load_contract(config, ref_roots=config.ref_roots)  # none without a file: nothing is run
    except (Sp00kyError, KeyError):
        return []
    return [text for text in contract.texts() if text.startswith(incomplete)]
