"""``sp00ky migrate``: create the tables, or add what they lack."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sp00ky_core.cli.arguments import usual_actor
from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.fleet.schedules import sync_lines
from sp00ky_core.cli.terminal.output import one_line
from sp00ky_core.cli.terminal.progress import slow
from sp00ky_core.ports import Grants, MigrationStep
from sp00ky_core.scheduler.records import SyncResult


@command(short_help="Create the job tables, or add what they lack.")
@click.option("--print", "only_print", is_flag=True, help="Print the statements and change nothing.")
@click.option("--repair", is_flag=True, help="Also fix fields that are there but can't work.")
@click.option("--print-grants", is_flag=True, help="Print what roles need that enqueue, run and operate.")
@click.pass_context
def migrate(
    context: click.Context, settings: Settings, *, only_print: bool, repair: bool, print_grants: bool
) -> None:
    """Create the job tables, or add what they lack; never asks, safe to repeat.

    The schedules are made what the file says. Without --repair nothing else that is there is changed. What
    --print prints can be piped into the database's own client; the schedules aren't in it, but for a comment:
    run sp00ky schedules sync after it.
    """
    if print_grants:
        store = settings.outbox().store
        if not isinstance(store, Grants):
            raise click.UsageError("--print-grants: this store's database grants none", context)
        for statement in store.grants():
            click.echo(f"{statement};")
        return
    lines = run_async(_migrate(settings, only_print=only_print, repair=repair))
    for line in lines:
        click.echo(line)
    if not only_print:
        click.echo(f"done, in {len(lines)} steps" if lines else "nothing to do")
    elif not lines:
        click.echo("-- nothing to do")


async def _migrate(settings: Settings, *, only_print: bool, repair: bool) -> Sequence[str]:
    outbox = settings.outbox()
    store = outbox.store
    await store.open()
    try:
        if only_print:
            with slow("reading the tables"):
                steps = await store.migration(repair=repair)
                return [*map(_script, steps), *_remarks(await outbox.schedules.plan())]
        with slow("migrating"):
            steps = await store.migrate(repair=repair)
            synced = await outbox.schedules.sync_migrated(actor=usual_actor())
            return [*map(_line, steps), *sync_lines(synced)]
    finally:
        await store.close()


def _script(step: MigrationStep) -> str:
    statement = step.statement.strip()
    end = "" if statement.endswith(";") else ";"
    return f"-- {one_line(f'{step.table}: {step.why}')}\n{statement}{end}"


def _remarks(planned: SyncResult) -> list[str]:
    """Say what no statement here does."""
    done = [("defines", planned.defined), ("removes", planned.removed)]
    return [f"-- schedule {name}: sp00ky migrate {does} it" for does, names in done for name in names]


def _line(step: MigrationStep) -> str:
    first = step.statement.strip().partition("\n")[0]
    return one_line(f"{step.table}: {step.why} ({_cut(first.rstrip(' ('))})")


def _cut(text: str, length: int = 100) -> str:
    return text if len(text) <= length else f"{text[:length].rstrip()} ..."
