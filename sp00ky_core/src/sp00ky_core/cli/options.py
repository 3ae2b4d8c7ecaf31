"""Declare what commands take: settings, durations, instants, numbers of workers, who does it and why."""

from __future__ import annotations

import asyncio
import getpass
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from sp00ky_core.cli.logs import Secrets
from sp00ky_core.cli.output import slow
from sp00ky_core.config import Config, find_config, store_url
from sp00ky_core.config.values import seconds_of
from sp00ky_core.contract import load_contract
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.options import MAX_DELAY
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.plugins.registry import load_config, load_plugins
from sp00ky_health import address_of

__all__ = ["Settings", "command", "run_async"]

FAILED = 1
"""The exit code where the thing asked for failed."""

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


@attrs.define
class Settings:
    """Holds the options that every command takes, before or after its name.

    Attributes:
        config: ``--config``; None: the nearest sp00ky.yml upward.
        store: ``--store``; None: the configured one.
        debug: Show tracebacks.
        json: Print JSON; an option of commands that print something.
        secrets: Those that this command has read.
    """

    config: Path | None = None
    store: str | None = None
    debug: bool = False
    json: bool = False
    secrets: Secrets = attrs.field(factory=Secrets)

    def configuration(self) -> Config:
        """Read the configuration that is meant, without its store. Raises ``ConfigError``."""
        config = load_config(self.config or find_config())
        self.secrets.remember(config, "")
        return config

    def outbox(self, observer: object | None = None) -> Outbox:
        """Open the outbox that is meant, observed by one more plugin. Raises what ``Outbox.open`` raises."""
        config = self.configuration()
        self.secrets.remember(config, store_url(config, self.store).value)
        plugins = None
        if observer is not None:
            plugins = load_plugins()
            plugins.register(observer, name="terminal", distribution="sp00ky-core")
        outbox = Outbox.open(config, store=self.store, plugins=plugins)
        outbox.via = "cli"
        return outbox

    def arguments(self) -> list[str]:
        """Return the arguments that make these settings in another process, but for the store's secrets."""
        config = [] if self.config is None else ["--config", str(self.config)]
        return config + ["--debug"] * self.debug

    def environment(self) -> dict[str, str]:
        """Return the environment that makes the rest of them: a URL's password belongs in no argument."""
        return {**os.environ} if self.store is None else {**os.environ, "SP00KY_STORE": self.store}

    def ask(self, call: Callable[[Outbox], Awaitable[Result]], doing: str = "") -> Result:
        """Await a call of the outbox; say after a second that it is ``doing`` this, if given."""

        async def work() -> Result:
            async with self.outbox() as outbox:
                with slow(doing) if doing else nullcontext():
                    return await call(outbox)

        return run_async(work())


_pass_settings = click.make_pass_decorator(Settings, ensure=True)


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


def with_settings(function: Command) -> Command:
    """Add ``--config``, ``--store`` and ``--debug``; the innermost one that is given counts."""
    config = "The configuration; by default the nearest sp00ky.yml upward."
    return with_options(
        _setting("--config", type=click.Path(path_type=Path), help=config),
        _setting("--store", metavar="URL", help="Overrides the configured store, and SP00KY_STORE."),
        _setting("--debug", is_flag=True, help="Show the traceback of an error."),
    )(function)


_setting = partial(click.option, expose_value=False, callback=_set)

as_json: Callable[[Command], Command] = _setting("--json", is_flag=True, help="Print JSON.")


def option(written: str, text: str, *, name: str = "", **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option, whose help text is never left out; ``name`` is its parameter's, if another."""
    return click.option(written, *filter(None, [name]), help=text, **attributes)


def flag(written: str, text: str, *, name: str = "", **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option that takes no value."""
    return option(written, text, name=name, is_flag=True, **attributes)


def limit_option(default: int, text: str) -> Callable[[Command], Command]:
    """Add ``--limit`` to a command that lists."""
    return option("--limit", text, type=click.IntRange(1, 10_000), default=default)


def page_options(record: str, records: str) -> Callable[[Command], Command]:
    """Add ``--limit`` and ``--after`` to a command that lists pages."""
    after = f"The last {record} of the page before ('next' in the JSON)."
    return with_options(limit_option(50, f"{records} on a page."), option("--after", after, metavar="ID"))


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join decorators of a command into one; the first option stands first in the help."""

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def command(group: click.Group | None = None, **attributes: Any) -> Callable[[Command], click.Command]:
    """Declare a command that takes the settings first."""

    def make(function: Command) -> click.Command:
        make_command = click.command if group is None else group.command
        shown = {"show_default": True}
        made: click.Command = make_command(context_settings=shown, **attributes)(
            with_settings(_pass_settings(function))
        )
        return made

    return make


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work, on uvloop where that can be had: on CPython, not on Windows."""
    try:
        import uvloop  # noqa: PLC0415  # optional
    except ImportError:
        run: Callable[[Coroutine[Any, Any, Result]], Result] = asyncio.run
    else:
        run = uvloop.run
    return run(work)  # out here, for an error in it has nothing to do with uvloop


@asynccontextmanager
async def store_open(outbox: Outbox) -> AsyncIterator[Outbox]:
    """Open the store of an outbox alone: its tables may be lacking."""
    await outbox.store.open()
    try:
        yield outbox
    finally:
        await outbox.store.close()


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
        return datetime.now(UTC) + direction * _duration(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: 2026-01-31T12:00:00Z, or +01:00 for Z")
    return at


def _address(text: str) -> str:
    """Check that a text is ``PORT`` or ``HOST:PORT``."""
    address_of(text)
    return text


DURATION = _Read("duration", _duration)

INSTANT = _Read("instant", partial(_instant, kind="an age", direction=-1))
"""A duration is so long ago."""

LATER = _Read("instant", partial(_instant, kind="a time from now", direction=+1))
"""A duration is so long from now."""

ADDRESS = _Read("address", _address)

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


def act_options(function: Command) -> Command:
    """Add ``--reason`` and ``--actor``."""
    actor = "Who does it, for the audit; by default SP00KY_ACTOR, or the login name."
    return with_options(
        click.option("--reason", metavar="TEXT", help="Why, for the audit."),
        click.option(
            "--actor",
            metavar="NAME",
            envvar="SP00KY_ACTOR",
            default=_login_name,
            show_default=False,
            help=actor,
        ),
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
        contract = load_contract(config, ref_roots=config.ref_roots)  # none without a file: nothing is run
    except (Sp00kyError, KeyError):
        return []
    return [text for text in contract.texts() if text.startswith(incomplete)]
