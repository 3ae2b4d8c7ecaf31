"""Write the module, or say that it is older than its documents: ``sp00ky generate``."""

from __future__ import annotations

from pathlib import Path

import click

from sp00ky_core.cli.command import Settings, command, flag, option
from sp00ky_core.errors import ModuleOutdated, Sp00kyError

DEFAULT = Path("typed_outbox.py")


@command(short_help="Write a typed module from the OpenAPI documents.")
@option("--out", "The module's file.", type=click.Path(dir_okay=False, path_type=Path), default=DEFAULT)
@flag("--check", "Write nothing; exit 1 if the file isn't what would be written.")
def generate(settings: Settings, *, out: Path, check: bool) -> None:
    """Write a module with a method and types for each operation of the documents.

    A type checker then finds a misspelt backend, operation, field or strategy, and so does an editor.
    """
    from sp00ky_core.backend.loading import load_backends  # noqa: PLC0415  # only this command needs them
    from sp00ky_generate import module  # noqa: PLC0415

    plugins, config = settings.plugins, settings.configuration()
    strategies = frozenset(plugins.strategies)
    # No store: a machine that only checks types has none.
    backends = load_backends(config, strategies, plugins.transports)
    text = module.module_text(backends, strategies)
    try:
        there = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
    except OSError as error:
        raise Sp00kyError(f"{out} can't be read: {error.strerror}") from None
    if there and not there.startswith(module.MARK):
        raise Sp00kyError(
            f"{out} wasn't written by `sp00ky generate`, and stays as it is; choose another name"
        )
    if check and not there:
        raise Sp00kyError(f"there is no {out}; run `sp00ky generate --out {out}`")
    if check and there != text:
        outdated = module.changed(backends, there) or config.file
        raise ModuleOutdated(module=str(out), document=str(outdated))
    try:
        if not check:
            out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise Sp00kyError(f"{out} can't be written: {error.strerror}") from None
    click.echo(f"{out} is up to date" if check else f"wrote {out}")
