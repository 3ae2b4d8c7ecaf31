"""Declare commands and their options, and hold what every command takes; the command line's start needs it.

So it imports little: what only opens an outbox needs is imported there.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import cached_property, partial, wraps
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sp00ky_core.cli.logs import Secrets, say_warnings

if TYPE_CHECKING:
    from sp00ky_core.config import Config
    from sp00ky_core.outbox.outbox import Outbox
    from sp00ky_core.plugins.registry import Plugins

__all__ = ["Settings", "as_json", "command", "flag", "option", "run_async", "with_options"]
__all__ += ["with_settings"]

FAILED = 1
"""The exit code where the thing asked for failed."""

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


class Settings:
    """Holds the options that every command takes, before or after its name.

    Attributes:
        config: ``--config``; None: the nearest sp00ky.yml upward.
        store: ``--store``; None: the configured one.
        debug: Show tracebacks.
        json: Print JSON; an option of commands that print something, which ``json_wanted`` reads.
        secrets: Those that this command has read.
    """

    def __init__(self) -> None:
        self.config: Path | None = None
        self.store: str | None = None
        self.debug: bool = False
        self.json: bool = False
        self.secrets: Secrets = Secrets()

    @cached_property
    def plugins(self) -> Plugins:
        """The installed plugins. Raises ``PluginLoadError``."""
        from sp00ky_core.plugins.registry import load_plugins  # noqa: PLC0415  # see above

        return load_plugins()

    def configuration(self) -> Config:
        """Read the configuration that is meant, without its store. Raises ``ConfigError``."""
        from sp00ky_core.config import find_config  # noqa: PLC0415  # see above
        from sp00ky_core.plugins.registry import load_config  # noqa: PLC0415  # see above

        config = load_config(self.config or find_config(), plugins=self.plugins)
        self.secrets.remember(config)
        return config

    def outbox(self) -> Outbox:
        """Open the outbox that is meant. Raises what ``Outbox.open`` raises."""
        from sp00ky_core.config import store_url  # noqa: PLC0415  # see above
        from sp00ky_core.outbox.outbox import Outbox, TimeoutIgnored  # noqa: PLC0415  # see above

        config = self.configuration()
        self.secrets.remember(config, store_url(config, self.store).value)
        say_warnings(TimeoutIgnored)
        outbox = Outbox.open(config, store=self.store, plugins=self.plugins)
        outbox.via = "cli"
        return outbox

    def ask(self, call: Callable[[Outbox], Awaitable[Result]], doing: str = "") -> Result:
        """Await a call of the outbox; say after a second that it is ``doing`` this, if given."""
        from asyncio import run  # noqa: PLC0415  # see above; uvloop would cost more than it saves

        from sp00ky_core.cli.output import slow  # noqa: PLC0415  # see above

        async def work() -> Result:
            async with self.outbox() as outbox:
                with slow(doing) if doing else nullcontext():
                    return await call(outbox)

        return run(work())

    def arguments(self) -> list[str]:
        """Return the arguments that make these settings in another process, but for the store's secrets."""
        config = [] if self.config is None else ["--config", str(self.config)]
        return config + ["--debug"] * self.debug

    def environment(self) -> dict[str, str]:
        """Return the environment that makes the rest of them: a URL's password belongs in no argument."""
        return {**os.environ} if self.store is None else {**os.environ, "SP00KY_STORE": self.store}


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work, on uvloop where that can be had: on CPython, not on Windows."""
    import asyncio  # noqa: PLC0415  # see above

    try:
        from uvloop import new_event_loop  # noqa: PLC0415  # optional
    except ImportError:
        from asyncio import new_event_loop  # type: ignore[assignment]  # noqa: PLC0415  # makes the same
    runner = asyncio.Runner(loop_factory=new_event_loop)
    try:
        return runner.run(_ended(work))
    finally:
        if not asyncio.all_tasks(runner.get_loop()):  # it would wait for what is left behind
            runner.close()


async def _ended(work: Coroutine[Any, Any, Result]) -> Result:
    """End what a command has begun with it: a task that swallows each cancellation must not keep it up."""
    import asyncio  # noqa: PLC0415  # see above
    import logging  # noqa: PLC0415  # see above

    from sp00ky_core.stores.subscription import LEFT_AFTER, end  # noqa: PLC0415  # see above

    try:
        return await work
    finally:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in await end(others, patience=LEFT_AFTER) if others else ():
            text = "%s doesn't end, however often it is cancelled: it is left behind"
            logging.getLogger(__name__).warning(text, task.get_name())


@asynccontextmanager
async def store_open(outbox: Outbox) -> AsyncIterator[Outbox]:
    """Open the store of an outbox alone: its tables may be lacking."""
    await outbox.store.open()
    try:
        yield outbox
    finally:
        await outbox.store.close()


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join decorators of a command into one; the first option stands first in the help."""

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def option(written: str, text: str, *, name: str = "", **attributes: Any) -> Callable[[Command], Command]:
    """Declare an option, whose help text is never left out; ``name`` is its parameter's, if another."""
    return click.option(written, *filter(None, [name]), help=text, **attributes)


def flag(written: str, text: str, *, name: str = "") -> Callable[[Command], Command]:
    """Declare an option that takes no value."""
    return option(written, text, name=name, is_flag=True)


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


_setting = partial(option, expose_value=False, callback=_set)

as_json: Callable[[Command], Command] = _setting("--json", "Print JSON.", is_flag=True)
"""Adds ``--json``."""

with_settings: Callable[[Command], Command] = with_options(
    _setting(
        "--config",
        "The configuration; by default the nearest sp00ky.yml upward.",
        type=click.Path(path_type=Path),
    ),
    _setting("--store", "Overrides the configured store, and SP00KY_STORE.", metavar="URL"),
    _setting("--debug", "Show the traceback of an error.", is_flag=True),
)
"""Adds ``--config``, ``--store`` and ``--debug``; the innermost one that is given counts."""


def taking(take: Callable[[dict[str, Any]], object]) -> Callable[[Command], Command]:
    """Change the options of a command before it is called, such as to one value that several make."""

    def decorate(function: Command) -> Command:
        vars(function).setdefault(_TAKES, []).append(take)
        return function

    return decorate


_TAKES = "__sp00ky_takes__"  # of a function, as click has its `__click_params__`


def command(
    group: click.Group | None = None, *, doing: str = "", **attributes: Any
) -> Callable[[Command], click.Command]:
    """Declare a command that takes the settings first; one that is awaited, an open outbox instead.

    After a second such a one says that it is ``doing`` this, if given.
    """
    make_command = click.command if group is None else group.command
    make = make_command(context_settings={"show_default": True}, **attributes)

    def declare(work: Command) -> click.Command:
        @wraps(work)
        def run(settings: Settings, /, **options: Any) -> Any:
            with _said_as_typed():
                for take in vars(work).get(_TAKES, ()):
                    take(options)
                if not iscoroutinefunction(work):
                    return work(settings, **options)
                return settings.ask(lambda outbox: work(outbox, **options), doing)

        return make(with_settings(click.make_pass_decorator(Settings, ensure=True)(run)))

    return declare


@contextmanager
def _said_as_typed() -> Iterator[None]:
    """Let what is wrong with an option be said in the words that were typed."""
    try:
        yield
    except Exception as error:
        from sp00ky_core.errors import OptionInvalid  # noqa: PLC0415  # see above

        if isinstance(error, OptionInvalid):
            error.option = as_typed(f"`{error.option}`").strip("`")
            error.value, error.expected = as_typed(error.value), as_typed(error.expected)
        raise


def as_typed(text: str) -> str:
    """Write what the core's texts have in backticks as it is typed: options of this command, its name."""
    command = click.get_current_context().command
    options = (parameter for parameter in command.params if isinstance(parameter, click.Option))
    words = {str(option.name): option.opts[0] for option in options}
    words[str(command.name)] = str(command.name)
    return re.sub("`([a-z_]+)`", lambda name: words.get(name[1], name[0]), text)


class Commands(click.Group):
    """Holds commands that are imported where one is asked for, or the help.

    Args:
        modules: The module of each, in this package, by its name.
    """

    def __init__(self, *arguments: Any, modules: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._modules = modules

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"sp00ky_core.cli.{self._modules[cmd_name]}")
        commands = (value for value in vars(module).values() if isinstance(value, click.Command))
        return next(command for command in commands if command.name == cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names for the help."""
        return sorted({*self._modules, *super().list_commands(ctx)})
