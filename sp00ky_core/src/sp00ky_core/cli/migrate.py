"""``sp00ky migrate``: create the tables, or add what they lack."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.output import one_line
from sp00ky_core.ports import MigrationStep

__all__ = ["migrate"]


@command()
@click.option("--print", "only_print", is_flag=True, help="Print the statements and change nothing.")
@click.option("--repair", is_flag=True, help="Also mend fields that are there but can't work.")
def migrate(settings: Settings, *, only_print: bool, repair: bool) -> None:
    """Create the job tables, or add what they lack; never asks, safe to repeat.

    Without --repair nothing that is there is changed. What --print prints can be piped into the database's
    own client.
    """
    steps = run_async(_migrate(settings, only_print=only_print, repair=repair))
    for step in steps:
        click.echo(_script(step) if only_print else _line(step))
    if not only_print:
        click.echo(f"done, in {len(steps)} steps" if steps else "nothing to do")
    elif not steps:
        click.echo("-- nothing to do")


async def _migrate(settings: Settings, *, only_print: bool, repair: bool) -> Sequence[MigrationStep]:
    store = settings.outbox().store
    await store.open()
    try:
        return await (store.migration(repair=repair) if only_print else store.migrate(repair=repair))
    finally:
        await store.close()


def _script(step: MigrationStep) -> str:
    statement = step.statement.strip()
    end = "" if statement.endswith(";") else ";"
    return f"-- {one_line(f'{step.table}: {step.why}')}\n{statement}{end}"


def _line(step: MigrationStep) -> str:
    first = step.statement.strip().partition("\n")[0]
    return one_line(f"{step.table}: {step.why} ({_cut(first.rstrip(' ('))})")


def _cut(text: str, length: int = 100) -> str:
    return text if len(text) <= length else f"{text[:length].rstrip()} ..."
