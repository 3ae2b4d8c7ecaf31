"""``sp00ky jobs list | get | watch | export``: look at jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import click

from sp00ky_core.cli.job_format import CLAIM_COLUMNS, JOB_COLUMNS, change_line, claim_row, job_row, show_job
from sp00ky_core.cli.jobs.selection import (
    Selection,
    choice_options,
    conditions_of,
    filter_options,
    job_of,
    warn_of_unknown_path,
)
from sp00ky_core.cli.options import FAILED, Settings, as_json, command, option, page_options
from sp00ky_core.cli.output import counted, draws, json_line, say, show_json, show_page, slow
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.job.job import Job, JobStatus, job_to_json
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import JobFilter


@command(name="list", short_help="List jobs, newest first.")
@filter_options()
@page_options("job", "Jobs")
@as_json
def list_jobs(settings: Settings, *, limit: int, after: str | None, **options: Any) -> None:
    """List jobs, newest first; every filter that is given must be met.

    With --status processing it shows who has them, since when, and until when the lease lasts.
    """
    conditions = conditions_of(options)
    settings.ask(lambda outbox: _list(outbox, conditions, limit, after, json_wanted=settings.json))


async def _list(
    outbox: Outbox, conditions: JobFilter, limit: int, after: str | None, *, json_wanted: bool
) -> None:
    columns: tuple[str, ...] = JOB_COLUMNS
    to_row = job_row
    if conditions.status is JobStatus.PROCESSING:
        hosts = {runner.id: runner.host for runner in await outbox.runners()}
        columns, to_row = CLAIM_COLUMNS, partial(claim_row, hosts=hosts)
    async with aclosing(_jobs(outbox, conditions, limit + 1, after)) as jobs:
        await show_page("jobs", jobs, job_to_json, columns, to_row, limit=limit, json_wanted=json_wanted)


async def _jobs(
    outbox: Outbox, conditions: JobFilter, limit: int, after: str | None
) -> AsyncGenerator[Job, None]:
    """Yield jobs; none of a page is held when the next one is read."""
    warn_of_unknown_path(outbox, conditions)
    last = None if after is None else await job_of(outbox, after)
    async with aclosing(outbox.pages(conditions, limit=limit, after=last)) as pages:
        with slow("looking for jobs"):
            page = await anext(pages, list[Job]())
        while page:
            while page:
                yield page.pop(0)
            page = await anext(pages, [])


@command(name="get", short_help="Show one job.")
@click.argument("job_id", metavar="ID")
@as_json
def get(settings: Settings, *, job_id: str) -> None:
    """Show one job; exit 1 if there is none of that ID, which may be shortened to what is unique."""
    show_job(settings.ask(lambda outbox: job_of(outbox, job_id)), json_wanted=settings.json)


@command(name="watch", short_help="Show a job, or all, now and at each change.")
@click.argument("job_id", metavar="[ID]", required=False)
@option("--history", "Without ID: begin with the latest N jobs.", type=click.IntRange(0), metavar="N")
@as_json
def watch(settings: Settings, *, job_id: str | None, history: int | None) -> None:
    """Show a job now and at each change until it has ended; without ID, what changes in all from now on.

    A line each; with --json a JSON document a line; without ID a screen on a terminal. It exits 0 also where
    the job failed (see its status), and 1 if there is none of that ID. Without ID it goes on until
    interrupted.
    """
    if job_id is not None and history is not None:
        raise click.UsageError("--history goes without ID")
    settings.ask(lambda outbox: _watch(outbox, job_id, history or 0, json_wanted=settings.json))


async def _watch(outbox: Outbox, job_id: str | None, history: int, *, json_wanted: bool) -> None:
    if job_id is None and not json_wanted and draws():
        from sp00ky_core.cli.jobs.screens import watch_changes  # noqa: PLC0415  # rich is slow to import

        await watch_changes(outbox, history=history)
    if job_id is None:
        changes = outbox.watch_all(history=history)
    else:
        changes = outbox.watch((await job_of(outbox, job_id)).id)
    async for job in changes:
        if json_wanted:
            show_json(job_to_json(job), indent=None)
        else:
            click.echo(_coloured(change_line(job), job.status.value))


def _coloured(line: str, status: str) -> str:
    """Colour the status in a line, which stands after two spaces, on a terminal."""
    if not draws():
        return line
    from sp00ky_core.cli.table import coloured_text  # noqa: PLC0415  # parts of rich, for a terminal

    return line.replace(f"  {status}", f"  {coloured_text(status)}", 1)


@command(name="export", short_help="Print jobs as JSON, one a line.")
@choice_options()
@click.option("--json", is_flag=True, expose_value=False, hidden=True)  # it always does
def export(settings: Settings, **options: Any) -> int:
    """Print jobs as JSON, one a line (NDJSON), newest first, however many; nothing is changed.

    Name them by ID, or by filters, all of which must be met, or --all. Those that are enqueued meanwhile may
    be missing. Exit 1 if it was interrupted, or a job that was named is missing.
    """
    selection = Selection.taken_from(options)
    return settings.ask(lambda outbox: _export(outbox, selection))


async def _export(outbox: Outbox, selection: Selection) -> int:
    if selection.job_ids:
        return await _print_named(outbox, selection.job_ids)
    warn_of_unknown_path(outbox, selection.conditions)
    return await _print_all(outbox, outbox.pages(selection.conditions, limit=selection.limit))


async def _print_named(outbox: Outbox, job_ids: Sequence[str]) -> int:
    code = 0
    for job_id in dict.fromkeys(job_ids):
        try:
            _print(await job_of(outbox, job_id))
        except (JobNotFound, JobIdAmbiguous) as error:
            say(str(error))
            code = error.exit_code
    return code


async def _print_all(outbox: Outbox, pages: AsyncGenerator[list[Job], None]) -> int:
    """Print the jobs page by page, so that memory holds only one; return the exit code."""
    count = 0
    with stop_signal() as stopped:
        async with aclosing(pages):
            with slow("looking for jobs"):
                page = await anext(pages, None)
            with counted() as show:
                while page is not None and not stopped.is_set():
                    for job in page:
                        await _print_whole(outbox, job)
                    count += len(page)
                    show(f"exported: {count:,}", count)
                    page = await anext(pages, None)
        if page is None:
            return 0
    say(f"interrupted after {count:,} jobs")
    return FAILED


async def _print_whole(outbox: Outbox, job: Job) -> None:
    """Print a job of a page; what the page has left out is read now, unless the job is gone."""
    with suppress(JobNotFound):
        _print(await outbox.get(job.id) if job.omitted else job)


def _print(job: Job) -> None:
    click.echo(json_line(job_to_json(job)) + b"\n", nl=False)
