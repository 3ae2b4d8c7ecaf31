"""``sp00ky jobs export | import``: jobs as lines of JSON, or as CSV, and into another database."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from sp00ky_core.cli.choice import Choice, choice_options, chosen, how_options, job_of, warn_of_unknown
from sp00ky_core.cli.job_operations import operate_if_wanted
from sp00ky_core.cli.logs import plain, say
from sp00ky_core.cli.output import counted, json_line, slow
from sp00ky_core.cli.settings import FAILED, Settings, command, option
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.hints import nearest
from sp00ky_core.outbox.operators.bulk import IMPORT, BulkResult
from sp00ky_core.outbox.operators.moves import COLUMNS, record_of
from sp00ky_core.outbox.outbox import Outbox

Record = Mapping[str, Any]


@command(name="export", short_help="Print jobs as JSON, one a line, or as CSV.")
@choice_options()
@option(
    "--format",
    "Lines of JSON, or CSV.",
    name="as_format",
    type=click.Choice(["ndjson", "csv"]),
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
    names = None if columns is None else _columns(columns)
    write = _Csv(names or COLUMNS) if as_format == "csv" else _Lines(names)

    async def export_chosen(outbox: Outbox) -> int:
        if choice.job_ids:
            return await _print_named(outbox, choice.job_ids, write)
        warn_of_unknown(outbox, choice.conditions)
        return await _print_all(outbox.export(choice.conditions, limit=choice.limit), write)

    return settings.ask(export_chosen)


def _columns(text: str) -> Sequence[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in COLUMNS:
            raise click.UsageError(f"an export has no column {name!r}; {nearest(name, COLUMNS)}")
    return names


class _Lines:
    """Writes records as lines of JSON."""

    def __init__(self, columns: Sequence[str] | None) -> None:
        self._columns = columns

    def __call__(self, record: Record) -> None:
        chosen = record if self._columns is None else {name: record[name] for name in self._columns}
        click.echo(json_line(chosen) + b"\n", nl=False)


FORMULA = ("=", "+", "-", "@")
"""So begins a text that a spreadsheet would run: whoever enqueues may have written it. It gets a quote."""


class _Csv:
    """Writes records as CSV: a line of names first; what is no text or number is JSON."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._write(columns)

    def __call__(self, record: Record) -> None:
        self._write([_cell(record[name]) for name in self._columns])

    def _write(self, cells: Sequence[object]) -> None:
        line = io.StringIO(newline="")
        csv.writer(line).writerow(cells)
        click.echo(line.getvalue().encode(), nl=False)


def _cell(value: object) -> object:
    if isinstance(value, dict | list | bool):
        return json_line(value).decode()
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value.startswith(FORMULA) else plain(value)


async def _print_named(outbox: Outbox, job_ids: Sequence[str], write: _Lines | _Csv) -> int:
    code = 0
    for job_id in dict.fromkeys(job_ids):
        try:
            write(record_of(await job_of(outbox, job_id)))
        except (JobNotFound, JobIdAmbiguous) as error:
            say(str(error))
            code = error.exit_code
    return code


async def _print_all(records: AsyncGenerator[Record, None], write: _Lines | _Csv) -> int:
    """Print each job as it is read, so that memory holds only a page; return the exit code."""
    count = 0
    with stop_signal() as stopped:
        async with aclosing(records):
            with slow("looking for jobs"):
                record = await anext(records, None)
            with counted() as show:
                while record is not None and not stopped.is_set():
                    write(record)
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
