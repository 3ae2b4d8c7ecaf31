"""``sp00ky jobs export | import``: jobs as lines of JSON, or as CSV, and into another database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from sp00ky_core.cli.choice import Choice, choice_options, chosen, how_options, job_of, warn_of_unknown
from sp00ky_core.cli.job_operations import operate_if_wanted
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.output import counted, slow
from sp00ky_core.cli.settings import FAILED, Settings, command, option
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.outbox.operators.bulk import IMPORT, BulkResult
from sp00ky_core.outbox.operators.moves import EXPORT_FORMATS, ExportFormat, record_of
from sp00ky_core.outbox.outbox import Outbox

Record = Mapping[str, Any]


@command(name="export", short_help="Print jobs as JSON, one a line, or as CSV.")
@choice_options()
@option(
    "--format",
    "Lines of JSON, or CSV.",
    name="as_format",
    type=click.Choice(list(EXPORT_FORMATS)),
    default="ndjson",
)
@option("--columns", "Only these: id,status,updated_at.", metavar="NAME,...")
@click.option("--json", is_flag=True, expose_value=False, hidden=True)  # it always does
def export(settings: Settings, *, as_format: str, columns: str | None, **options: Any) -> int:
    """Print jobs as JSON, one a line (NDJSON), or as CSV, newest first, however many; nothing is changed.

    Name them by ID, or by filters, all of which must be met, or --all. Those that are enqueued meanwhile may
    be missing. Exit 1 if it was interrupted, or a job that was named is missing.

    `jobs import` reads lines of JSON that have all columns.
    """
    choice = chosen(options)
    written = EXPORT_FORMATS[as_format](None if columns is None else columns.split(","))

    async def export_chosen(outbox: Outbox) -> int:
        click.echo(written.head, nl=False)
        if choice.job_ids:
            return await _print_named(outbox, choice.job_ids, written)
        warn_of_unknown(outbox, choice.conditions)
        return await _print_all(outbox.export(choice.conditions, limit=choice.limit), written)

    return settings.ask(export_chosen)


async def _print_named(outbox: Outbox, job_ids: Sequence[str], written: ExportFormat) -> int:
    code = 0
    for job_id in dict.fromkeys(job_ids):
        try:
            click.echo(written.line(record_of(await job_of(outbox, job_id))), nl=False)
        except (JobNotFound, JobIdAmbiguous) as error:
            say(str(error))
            code = error.exit_code
    return code


async def _print_all(records: AsyncGenerator[Record, None], written: ExportFormat) -> int:
    """Print each job as it is read, so that memory holds only a page; return the exit code."""
    count = 0
    with stop_signal() as stopped:
        async with aclosing(records):
            with slow("looking for jobs"):
                record = await anext(records, None)
            with counted() as show:
                while record is not None and not stopped.is_set():
                    click.echo(written.line(record), nl=False)
                    count += 1
                    show(f"exported: {count:,}", count)
                    record = await anext(records, None)
        if record is None:
            return 0
    say(f"interrupted after {count:,} jobs")
    return FAILED


@command(name="import", short_help="Insert jobs that were exported from another database.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@how_options
def import_(settings: Settings, *, file: Path, dry_run: bool, yes: bool, **act: Any) -> int:
    """Insert the jobs of FILE, which `jobs export` has written, with their ids, times, statuses and errors.

    FILE is looked at first: nothing is imported of an export of another version, or that has a job which is
    processing. A job that is there with the same content is skipped: what was interrupted can be repeated.
    """

    async def steps(outbox: Outbox, *, dry: bool) -> AsyncGenerator[BulkResult, None]:
        return outbox.import_steps(file, dry_run=dry, **act)

    return operate_if_wanted(settings, IMPORT, Choice(dry_run=dry_run, yes=yes), steps)
