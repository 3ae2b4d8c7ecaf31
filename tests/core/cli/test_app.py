"""The command as a whole: what it imports, its help, and how it ends."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from tests.core.cli.conftest import SP00KY, TOKEN

from sp00ky_core import Outbox, PluginLoadError, Plugins, hookimpl
from sp00ky_core.cli import app
from sp00ky_core.plugins import registry


def loaded_by(program: str) -> set[str]:
    """The modules that are there after a program."""
    code = f"{program}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_needs_no_large_library() -> None:
    large = {"aiohttp", "click", "rich", "jsonschema", "pytest", "sp00ky_core.testing"}
    assert not large & loaded_by("import sp00ky_core")
    assert not large & loaded_by("from sp00ky_core import Outbox")


NEEDLESS = {"rich.console", "rich.live", "uvloop", "jsonschema", "starlette", "sp00ky_core.testing"}
NEEDLESS |= {"asyncpg", "asyncmy", "cryptography", "surrealdb", "aiohttp", "prometheus_client"}
NEEDLESS |= {f"sp00ky_core.cli.{name}" for name in ("call", "job_operations", "run", "screens", "demo")}
CONFIG = {"asyncio", "attrs", "yaml", "sp00ky_core.config", "sp00ky_core.errors", "sp00ky_core.ports"}


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (["--version"], CONFIG),
        (["jobs", "list", "--help"], set()),
        (["--store", "memory://", "jobs", "list", "--json"], {"sp00ky_core.runner"}),
    ],
)
def test_a_command_loads_no_more_than_it_needs(project: Path, arguments: list[str], more: set[str]) -> None:
    program = "from contextlib import suppress\nfrom sp00ky_core.cli import main\n"
    program += f"with suppress(SystemExit): main({arguments})"
    assert not (NEEDLESS | more) & loaded_by(program)


RUNNERS_OWN = ("sp00ky_core.runner", "sp00ky_core.gate.gate", "sp00ky_core.cli.run", "sp00ky_core.cli.call")
RUNNERS_OWN += ("sp00ky_openapi.payload",)
MOST_OF_THE_CORE = 105
"""Modules that the core has executed when an operator's command ends, the store's kit among them."""


@pytest.mark.parametrize("act", ["kill", "retry"])
def test_an_operators_command_loads_no_runner(project: Path, act: str) -> None:
    arguments = ["--store", "memory://", "jobs", act, "job:1"]
    program = "from contextlib import suppress\nfrom sp00ky_core.cli import main\n"
    loaded = loaded_by(program + f"with suppress(SystemExit): main({arguments})")
    core = {name for name in loaded if name.partition(".")[0] == "sp00ky_core"}
    assert "sp00ky_core.outbox.operators.jobs" in core
    assert not [name for name in core if name.startswith(RUNNERS_OWN)]
    assert len(core) <= MOST_OF_THE_CORE


def every_command(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from every_command(command) if isinstance(command, click.Group) else (command,)


def test_each_option_has_a_help() -> None:
    commands = [app.cli, *every_command(app.cli)]
    options = [param for command in commands for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help and not option.hidden] == []


def test_without_a_command_it_shows_the_help(sp00ky: Any) -> None:
    for group in ([], ["jobs"]):
        shown = sp00ky(*group)
        assert "Commands:" in shown.out + shown.err
    assert sp00ky("jobs", "--help").code == 0
    assert sp00ky("--version").code == 0


def test_a_command_of_0_3_that_is_gone_says_what_to_use(sp00ky: Any) -> None:
    line = sp00ky("plan", "--outage", "30m").complaint(2)
    assert "sp00ky plan is gone since 0.4: docs/retries.md says how long retries last; see: sp00ky" in line
    sp00ky("no-such", "command").complaint(2)


def test_an_interrupt_exits_130(migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, "pages", interrupt)
    shown = sp00ky("jobs", "list")
    assert (shown.code, shown.out, shown.err.strip()) == (130, "", "")


def test_closed_streams_harm_nothing(migrated: Path, sp00ky: Any) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    command = f'"$0" jobs kill {job_id} <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", command, str(SP00KY)], check=False)
    assert done.returncode == 0
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "failed"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    def complete(**environment: str) -> str:
        done = subprocess.run(
            [str(SP00KY)], env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "sp00ky" in complete(_SP00KY_COMPLETE=f"{shell}_source")
    word = "st" if shell == "fish" else "2"  # as each shell passes it
    found = complete(_SP00KY_COMPLETE=f"{shell}_complete", COMP_WORDS="sp00ky jobs st", COMP_CWORD=word)
    assert "stats" in found


@pytest.fixture
def haunting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin with a command is installed, and nothing else."""

    class Haunting:
        @hookimpl
        def sp00ky_register_commands(self) -> dict[str, click.Command]:
            return {"haunt": click.Command("haunt", callback=lambda: click.echo("boo"), help="Say boo.")}

    plugins = Plugins()
    plugins.register(Haunting(), name="haunting", distribution="ghost-haunting")
    monkeypatch.setattr(registry, "load_plugins", lambda: plugins)


@pytest.mark.usefixtures("haunting")
def test_a_plugin_brings_a_command(sp00ky: Any) -> None:
    assert sp00ky("haunt").out == "boo\n"
    assert "Say boo." in sp00ky("--help").out
    assert "No such command 'nope'" in sp00ky("nope").complaint(2)


@pytest.mark.usefixtures("haunting")
@pytest.mark.parametrize("command", ["dashboard", "generate"])
def test_a_command_that_isn_t_installed_says_what_to_install(sp00ky: Any, command: str) -> None:
    assert f"pip install ./contrib/sp00ky_{command}" in sp00ky(command).complaint(2)


def test_a_plugin_that_can_t_be_loaded_leaves_the_help(sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Plugins:
        raise PluginLoadError(distribution="ghost-broken", problem="boo")

    monkeypatch.setattr(registry, "load_plugins", fail)
    assert "migrate" in sp00ky("--help").out
    assert "ghost-broken" in sp00ky("haunt").complaint(2)


PASSWORD = "passw0rd-that-nobody-may-see"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["jobs", "nonsense"], ["jobs", "list", "--limit", "0"], ["run", "--no"]]
)
def test_usage_errors_are_one_line_with_code_2(project: Path, sp00ky: Any, arguments: list[str]) -> None:
    assert "--help" in sp00ky(*arguments).complaint(2)


def raises(error: Exception) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> Any:
        logging.getLogger("sp00ky_core").warning("before:\nit raises %s", error)
        raise error

    return raise_it


def test_a_bug_is_called_one_and_holds_no_secret(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "pages", raises(RuntimeError(f"GET ws://u:{PASSWORD}@host\n{TOKEN}")))
    store = ["--store", f"memory://u:{PASSWORD}@host?token=another-t0ken"]
    shown = sp00ky("jobs", "list", *store)
    *logged, line = shown.err.splitlines()
    assert shown.code == 1
    assert "this is a bug: RuntimeError" in line
    assert "--debug" in line
    assert len(logged) == 1  # the record's two lines are one
    assert PASSWORD not in shown.err
    debugged = sp00ky("jobs", "list", *store, "--debug")
    assert "Traceback" in debugged.err
    assert PASSWORD not in debugged.err
