"""``sp00ky migrate``: create the tables, or add what they lack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import click

from sp00ky_core.cli.command import Settings, command, flag, run_async, store_open
from sp00ky_core.cli.logs import one_line, say
from sp00ky_core.cli.options import usual_actor
from sp00ky_core.cli.output import slow
from sp00ky_core.config import refuse_unread
from sp00ky_core.errors import SchemaError
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import Grants, MigrationStep


@command(short_help="Create the job tables, or add what they lack.")
@flag("--print", "Print the statements and change nothing.", name="only_print")
@flag("--repair", "Also fix fields that are there but can't work.")
@flag("--verbose", "Show each step, not only each table.")
@flag("--yes", "Also where another service's live runners serve one of the tables.")
@flag("--print-grants", "Print what roles need that enqueue, run and operate.")
def migrate(
    settings: Settings, *, only_print: bool, repair: bool, verbose: bool, yes: bool, print_grants: bool
) -> None:
    """Create the job tables, or add what they lack; never asks, safe to repeat.

    What the file says to extensions is done, too. Without --repair nothing else that is there is changed.
    What --print prints can be piped into the database's own client; what extensions do is a comment there.
    """
    outbox = settings.outbox()
    refuse_unread(outbox.config)
    if print_grants:
        store = outbox.store
        if not isinstance(store, Grants):
            raise click.UsageError("--print-grants: this store's database grants none")
        for statement in store.grants():
            click.echo(f"{statement};")
        return
    work = _print if only_print else partial(_migrate, verbose=verbose, yes=yes)

    async def lines() -> Sequence[str]:
        async with store_open(outbox):
            return await work(outbox, repair=repair)

    for line in run_async(lines()):
        click.echo(line)


async def _print(outbox: Outbox, *, repair: bool) -> Sequence[str]:
    with slow("reading the tables"):
        steps = await outbox.store.migration(repair=repair)
        planned = await outbox.extensions.planned()
    lines = [*map(_script, steps), *(f"-- {line}" for line in planned)]
    return lines or ["-- nothing to do"]


async def _migrate(outbox: Outbox, *, repair: bool, verbose: bool, yes: bool) -> Sequence[str]:
    if not yes:
        await _refuse_others_tables(outbox)
    with slow("migrating"):
        steps = await outbox.store.migrate(repair=repair)
        synced = await outbox.extensions.sync(actor=usual_actor())
        findings = [*outbox.config.notices, *await outbox.extensions.findings()]
    for finding in findings:
        if finding.stops_jobs:
            say(f"{finding.subject}: {finding.problem} ({finding.consequence})")
    lines, count = map(_line, steps) if verbose else table_lines(steps), len(steps) + len(synced)
    return [*lines, *synced, f"done, in {count} steps" if count else "nothing to do"]


async def _refuse_others_tables(outbox: Outbox) -> None:
    with suppress(SchemaError):  # the tables aren't there yet
        for found in await outbox.other_services():
            raise click.UsageError(f"{found.subject}: {found.problem}; {found.fix}; or add --yes")


def table_lines(steps: Sequence[MigrationStep]) -> list[str]:
    """Say what was done to each table, or whatever else steps are about."""
    tables: dict[str, list[MigrationStep]] = {}
    for step in steps:
        tables.setdefault(step.table, []).append(step)
    return [one_line(f"{table}: {_what(taken)}") for table, taken in tables.items()]


def _what(steps: Sequence[MigrationStep]) -> str:
    if any(step.creates_table or _CREATES.match(step.statement.strip()) for step in steps):
        return "created"
    return f"extended, {len(steps)} step{'s' * (len(steps) > 1)}"


LONGEST_STATEMENT = 100
"""Characters that a line shows of a statement."""

_CREATES = re.compile(
    r"(CREATE|CREATE OR REPLACE|DEFINE|USE NS [^;]*; DEFINE) (TABLE|SCHEMA|FUNCTION|NAMESPACE|DATABASE) "
    r"(?!OVERWRITE)"
)


def _script(step: MigrationStep) -> str:
    statement = step.statement.strip()
    end = "" if statement.endswith(";") else ";"
    return f"-- {one_line(f'{step.table}: {step.why}')}\n{statement}{end}"


def _line(step: MigrationStep) -> str:
    text = step.statement.strip().partition("\n")[0].rstrip(" (")
    if len(text) > LONGEST_STATEMENT:
        text = f"{text[:LONGEST_STATEMENT].rstrip()} ..."
    return one_line(f"{step.table}: {text} ({step.why})")
