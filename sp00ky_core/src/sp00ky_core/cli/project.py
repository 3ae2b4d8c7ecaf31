"""Set a project up: ``sp00ky init``, ``sp00ky generate``, ``sp00ky plugins``."""

from __future__ import annotations

from importlib.resources import files as packaged
from pathlib import Path

import attrs
import click

from sp00ky_core.backend.backend import load_backends
from sp00ky_core.cli.output import show_list
from sp00ky_core.cli.settings import Settings, as_json, command, flag, option
from sp00ky_core.errors import ModuleOutdated, Sp00kyError
from sp00ky_core.plugins.registry import PluginInfo

NEXT = """\
next: sp00ky migrate && sp00ky check
then: sp00ky call api /spookify '{"id": "1"}' --wait
      (needs the backend at baseUrl; where the store is a server, `sp00ky run` too)"""


@command(short_help="Write sp00ky.yml and openapi.yml into the current folder.")
def init(settings: Settings) -> None:
    """Write sp00ky.yml and openapi.yml into the current folder; overwrites nothing."""
    config = settings.config or Path("sp00ky.yml")
    files = {config: "sp00ky.yml", config.with_name("openapi.yml"): "openapi.yml"}
    there = [str(file) for file in files if file.exists()]
    if there:
        be = "is" if len(there) == 1 else "are"
        raise Sp00kyError(
            f"{' and '.join(there)} {be} there already and nothing was written; change to another folder"
        )
    for file, template in files.items():
        file.write_text(template_text(template), encoding="utf-8")
        click.echo(f"wrote {file}")
    click.echo(NEXT)


def template_text(name: str) -> str:
    """Return what ``init`` writes: a file of ``templates/``."""
    return packaged("sp00ky_core").joinpath("cli", "templates", name).read_text(encoding="utf-8")


DEFAULT = Path("typed_outbox.py")


@command(short_help="Write a typed module from the OpenAPI documents.")
@option("--out", "The module's file.", type=click.Path(dir_okay=False, path_type=Path), default=DEFAULT)
@flag("--check", "Write nothing; exit 1 if the file isn't what would be written.")
def generate(settings: Settings, *, out: Path, check: bool) -> None:
    """Write a module with a method and types for each operation of the documents.

    A type checker then finds a misspelt backend, operation, field or strategy, and so does an editor.
    """
    from sp00ky_core.generate import module  # noqa: PLC0415  # only this command needs it

    plugins, config = settings.plugins, settings.configuration()
    strategies = frozenset(plugins.strategies)
    backends = load_backends(
        config, strategies, plugins.transports
    )  # no store: a machine that only checks types has none
    text = module.module_text(backends, strategies)
    there = _read(out)
    if there and not there.startswith(module.MARK):
        raise Sp00kyError(
            f"{out} wasn't written by `sp00ky generate`, and stays as it is; choose another name"
        )
    if check and not there:
        raise Sp00kyError(f"there is no {out}; run `sp00ky generate --out {out}`")
    if check and there != text:
        outdated = module.changed(backends, there) or config.file
        raise ModuleOutdated(module=str(out), document=str(outdated))
    if not check:
        _write(out, text)
    click.echo(f"{out} is up to date" if check else f"wrote {out}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    except OSError as error:
        raise Sp00kyError(f"{file} can't be read: {error.strerror}") from None


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise Sp00kyError(f"{file} can't be written: {error.strerror}") from None


COLUMNS = ("plugin", "distribution", "version", "registers", "hooks")


@command()
@as_json
def plugins(settings: Settings) -> None:
    """Show the installed plugins and what each one registers."""
    show_list("plugins", settings.plugins.infos, attrs.asdict, COLUMNS, _row, json_wanted=settings.json)


def _row(info: PluginInfo) -> tuple[str, ...]:
    registers = ", ".join(info.stores + info.transports + info.retry_strategies + info.commands)
    return (info.name, info.distribution, info.version, registers, ", ".join(info.hooks))
