"""Carry what every command knows: which configuration, which store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from sp00ky_core.cli.terminal.progress import slow
from sp00ky_core.cli.terminal.secrets import Secrets
from sp00ky_core.config import Config, find_config, load_config, store_url
from sp00ky_core.outbox import Outbox
from sp00ky_core.plugins.registry import load_plugins

__all__ = ["Settings", "command", "run_async"]

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


@attrs.define
class Settings:
    """The options that every command takes, before or after its name.

    Attributes:
        config: ``--config``; None: the nearest sp00ky.yml upward.
        store: ``--store``; None: the configured one.
        debug: Show tracebacks.
        secrets: Those that this command has read.
    """

    config: Path | None = None
    store: str | None = None
    debug: bool = False
    secrets: Secrets = attrs.field(factory=Secrets)

    def configuration(self) -> Config:
        """Read the configuration that is meant, without its store. Raises ``ConfigError``."""
        config = load_config(self.config or find_config())
        self.secrets.remember(config, "")
        return config

    def outbox(self, observer: object | None = None) -> Outbox:
        """Open the outbox that is meant, observed by one more plugin. Raises what ``Outbox.open`` raises."""
        config = load_config(self.config or find_config())
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
        """Await one call of the outbox; after a second it is said what is being done, if that is given."""

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
    option = partial(click.option, expose_value=False, callback=_set)
    config = "The configuration; by default the nearest sp00ky.yml upward."
    return with_options(
        option("--config", type=click.Path(path_type=Path), help=config),
        option("--store", metavar="URL", help="Overrides the configured store, and SP00KY_STORE."),
        option("--debug", is_flag=True, help="Show the traceback of an error."),
    )(function)


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
        decorate = click.command(**attributes) if group is None else group.command(**attributes)
        made: click.Command = decorate(with_settings(_pass_settings(function)))
        return made

    return make


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work, on uvloop where it is installed (``sp00ky-core[fast]``)."""
    try:
        import uvloop  # noqa: PLC0415  # optional
    except ImportError:
        run: Callable[[Coroutine[Any, Any, Result]], Result] = asyncio.run
    else:
        run = uvloop.run
    return run(work)  # out here, for an error in it has nothing to do with uvloop
