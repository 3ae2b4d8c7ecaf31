"""``sp00ky jobs export | import``: jobs as lines of JSON, or as CSV, and into another database."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from sp00ky_core.cli.job_operations import (
    choice_options,
    chosen,
    is_wanted,
    job_of,
    jobs,
    show_result,
    warn_of_unknown_path,
    work_off,
)
from sp00ky_core.cli.logs import plain, say
from sp00ky_core.cli.options import act_options
from sp00ky_core.cli.output import counted, json_line, slow
from sp00ky_core.cli.settings import FAILED, Settings, as_json, command, flag, option
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.hints import nearest
from sp00ky_core.outbox.operators.bulk import IMPORT, BulkResult
from sp00ky_core.outbox.operators.moves import COLUMNS, record_of
from sp00ky_core.outbox.outbox import Outbox

Record = Mapping[str, Any]


@command(jobs, name="export", short_help="Print jobs as JSON, one a line, or as CSV.")
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
def export(
    settings: Settings, *, limit: int | None, as_format: str, columns: str | None, **options: Any
) -> int:
    """Print jobs as JSON, one a line (NDJSON), or as CSV, newest first, however many; nothing is changed.

    Name them by ID, or by filters, all of which must be met, or --all. Those that are enqueued meanwhile may
    be missing. Exit 1 if it was interrupted, or a job that was named is missing.

    `jobs import` reads lines of JSON that have all columns.
    """
    job_ids, conditions = chosen(options, limit=limit)
    names = None if columns is None else _columns(columns)
    write = _Csv(names or COLUMNS) if as_format == "csv" else _Lines(names)

    async def export_chosen(outbox: Outbox) -> int:
        if job_ids:
            return await _print_named(outbox, job_ids, write)
        warn_of_unknown_path(outbox, conditions)
        return await _print_all(outbox, outbox.export(conditions, limit=limit), write)

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


async def _print_all(outbox: Outbox, records: AsyncGenerator[Record, None], write: _Lines | _Csv) -> int:
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


@command(jobs, name="import", short_help="Insert jobs that were exported from another database.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@flag("--dry-run", "Only look at what it would do.")
@flag("--yes", "Don't ask.")
@act_options
@as_json
def import_(settings: Settings, *, file: Path, dry_run: bool, yes: bool, **act: Any) -> int:
    """Insert the jobs of FILE, which `jobs export` has written, with their ids, times, statuses and errors.

    FILE is looked at first: nothing is imported of an export of another version, or that has a job which is
    processing. A job that is there with the same content is skipped: what was interrupted can be repeated.
    """
    if not yes and not dry_run:
        planned = settings.ask(lambda outbox: outbox.import_jobs(file, dry_run=True))
        if not is_wanted(IMPORT, planned.matched - planned.looked_at):
            return FAILED

    async def work(outbox: Outbox) -> tuple[BulkResult, bool]:
        steps = outbox.import_steps(file, dry_run=dry_run, **act)
        return await work_off(IMPORT, steps, says_how_many=yes)

    result, is_interrupted = settings.ask(work)
    return show_result(settings, IMPORT, result, is_dry=dry_run, is_interrupted=is_interrupted)
