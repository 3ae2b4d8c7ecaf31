"""Read what commands are given: durations, instants, numbers of workers, who does it and why."""

from __future__ import annotations

import getpass
import math
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from sp00ky_core.cli.context import Command, with_options
from sp00ky_core.config import find_config, load_config
from sp00ky_core.config.values import duration
from sp00ky_core.contract import load_contract
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job_options import MAX_DELAY
from sp00ky_health import address_of

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic in newer clicks only


class Seconds(click.FloatRange):
    """A number of seconds within limits; NaN is none."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse also what no comparison refuses."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail("nan isn't a number of seconds", param, ctx)
        return seconds


class _Duration(_ParamType):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Seconds, or a number with a unit: ``90``, ``500ms``, ``5m``, ``6h``, ``14d``."""
        try:
            seconds = _seconds(str(value))
        except (OverflowError, ValueError):
            self.fail(f"{value!r} isn't a duration, such as 90, 5m or 6h", param, ctx)
        if not 0 <= seconds <= MAX_DELAY.total_seconds():
            self.fail(f"{value!r} isn't a duration from 0 to {MAX_DELAY.days} days", param, ctx)
        return timedelta(seconds=seconds)


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return duration(written) or 0.0  # raises a ValueError of its own; "never" overflows


DURATION = _Duration()


class _Instant(_ParamType):
    name = "instant"

    def __init__(self, kind: str, direction: int) -> None:
        self._kind, self._direction = kind, direction

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse ``2026-01-31T12:00:00Z``, or ``2h``: so long before or after now by this host's clock."""
        try:
            at = datetime.fromisoformat(str(value).upper())
        except ValueError:
            try:
                _seconds(str(value))
            except ValueError:
                either = f"{self._kind}, such as 2h or 3d, nor 2026-01-31T12:00:00Z"
                self.fail(f"{value!r} is neither {either}", param, ctx)
            return datetime.now(UTC) + self._direction * DURATION.convert(value, param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no time zone: 2026-01-31T12:00:00Z, or +01:00 for Z", param, ctx)
        return at


INSTANT = _Instant("an age", -1)
"""A duration is so long ago."""

LATER = _Instant("a time from now", +1)
"""A duration is so long from now."""


MOST = 1_000


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


WORKERS = _Workers(1, MOST)


class _Address(_ParamType):
    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that it is ``PORT`` or ``HOST:PORT``."""
        try:
            address_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


ADDRESS = _Address()


def act_options(function: Command) -> Command:
    """Add ``--reason`` and ``--actor``."""
    actor = "Who does it, for the audit; by default SP00KY_ACTOR, or the login name."
    return with_options(
        click.option("--reason", metavar="TEXT", help="Why, for the audit."),
        click.option("--actor", metavar="NAME", envvar="SP00KY_ACTOR", default=_login_name, help=actor),
    )(function)


def usual_actor() -> str:
    """Return who acts where no ``--actor`` is given."""
    return os.environ.get("SP00KY_ACTOR") or _login_name()


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


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
        contract = load_contract(config, ref_roots=config.ref_roots)
    except (Sp00kyError, KeyError):
        return []
    texts = (text for operation in contract.operations.values() for text in operation.spellings)
    return [text for text in texts if text.startswith(incomplete)]
