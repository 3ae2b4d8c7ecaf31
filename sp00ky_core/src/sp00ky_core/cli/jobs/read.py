"""``sp00ky jobs list | get | watch | stats | errors``: these change nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any

import click

from sp00ky_core.cli.arguments import INSTANT
from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.jobs.ids import job_of
from sp00ky_core.cli.jobs.selection import conditions_of, filter_options, warn_of_unknown_path
from sp00ky_core.cli.terminal.job_format import (
    CLAIM_COLUMNS,
    JOB_COLUMNS,
    RATES_COLUMNS,
    STATS_COLUMNS,
    change_line,
    claim_row,
    job_row,
    moment,
    rates_row,
    show_job,
    stats_row,
)
from sp00ky_core.cli.terminal.output import as_json, draws, show_json, show_list, show_page, show_rows
from sp00ky_core.cli.terminal.progress import slow
from sp00ky_core.encoding.job_json import job_to_json
from sp00ky_core.encoding.report_json import json_of, rates_to_json
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.metrics.rates import Rates
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import BackendStats, ErrorGroup, JobFilter


@command(jobs, name="list", short_help="List jobs, newest first.")
@filter_options()
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Jobs on a page."
)
@click.option("--after", metavar="ID", help="The last job of the page before ('next' in the JSON).")
@as_json
def list_jobs(
    settings: Settings, *, json_wanted: bool, limit: int, after: str | None, **options: Any
) -> None:
    """List jobs, newest first; every filter that is given must be met.

    With --status processing it shows who has them, since when, and until when the lease lasts.
    """
    conditions = conditions_of(options)
    settings.ask(lambda outbox: _list(outbox, conditions, limit, after, json_wanted=json_wanted))


async def _list(
    outbox: Outbox, conditions: JobFilter, limit: int, after: str | None, *, json_wanted: bool
) -> None:
    columns: tuple[str, ...] = JOB_COLUMNS
    to_row = job_row
    if conditions.status is JobStatus.PROCESSING:
        hosts = {runner.id: runner.host for runner in await outbox.runners()}
        columns, to_row = CLAIM_COLUMNS, partial(claim_row, hosts=hosts)
    async with aclosing(_found(outbox, conditions, limit + 1, after)) as found:
        await show_page("jobs", found, job_to_json, columns, to_row, limit=limit, json_wanted=json_wanted)


async def _found(
    outbox: Outbox, conditions: JobFilter, limit: int, after: str | None
) -> AsyncGenerator[Job, None]:
    """Yield the jobs; none of a page is held when the next one is read."""
    warn_of_unknown_path(outbox, conditions)
    last = None if after is None else await job_of(outbox, after)
    async with aclosing(outbox.pages(conditions, limit=limit, after=last)) as pages:
        with slow("looking for jobs"):
            page = await anext(pages, list[Job]())
        while page:
            while page:
                yield page.pop(0)
            page = await anext(pages, [])


@command(jobs, name="get", short_help="Show one job.")
@click.argument("job_id", metavar="ID")
@as_json
def get(settings: Settings, *, job_id: str, json_wanted: bool) -> None:
    """Show one job; exit 1 if there is none of that ID, which may be shortened to what is unique."""
    show_job(settings.ask(lambda outbox: job_of(outbox, job_id)), json_wanted=json_wanted)


@command(jobs, name="watch", short_help="Show a job, or all, now and at each change.")
@click.argument("job_id", metavar="[ID]", required=False)
@click.option(
    "--history", type=click.IntRange(0), metavar="N", help="Without ID: begin with the latest N jobs."
)
@as_json
@click.pass_context
def watch(
    context: click.Context,
    /,
    settings: Settings,
    *,
    job_id: str | None,
    history: int | None,
    json_wanted: bool,
) -> None:
    """Show a job now and at each change until it has ended; without ID, what changes in all from now on.

    A line each; with --json a JSON document a line; without ID a screen on a terminal. It exits 0 also where
    the job failed (see its status), and 1 if there is none of that ID. Without ID it goes on until
    interrupted.
    """
    if job_id is not None and history is not None:
        raise click.UsageError("--history goes without ID", context)
    settings.ask(lambda outbox: _watch(outbox, job_id, history or 0, json_wanted=json_wanted))


async def _watch(outbox: Outbox, job_id: str | None, history: int, *, json_wanted: bool) -> None:
    if job_id is None and not json_wanted and draws():
        from sp00ky_core.cli.live.changes import watch_changes  # noqa: PLC0415  # rich is slow to import

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
    from sp00ky_core.cli.terminal.table import coloured_text  # noqa: PLC0415  # parts of rich, for a terminal

    return line.replace(f"  {status}", f"  {coloured_text(status)}", 1)


@command(jobs, name="stats", short_help="Show each backend's queue in numbers.")
@click.option(
    "--since", type=INSTANT, help="And the attempts that ended then or later: 24h (ago), 30d at most."
)
@click.option("--watch", "is_live", is_flag=True, help="Keep showing it, with rates, until interrupted.")
@as_json
def stats(settings: Settings, *, since: datetime | None, json_wanted: bool, is_live: bool) -> None:
    """Show each backend's queue in numbers; with --since its attempts: rates, failures by code, durations.

    Those are kept for 30 days, however long jobs are, and known a minute after they end.

    With --watch a screen on a terminal, which also says what fails; elsewhere a line a second and backend.
    """
    if is_live and since is not None:
        raise click.UsageError("--watch shows what happens from now on: leave out --since")
    if is_live:
        from sp00ky_core.cli.live.queues import watch_queues  # noqa: PLC0415  # other commands start without

        settings.ask(lambda outbox: watch_queues(outbox, json_wanted=json_wanted))
        return
    numbers, rates = settings.ask(partial(_stats, since=since), "counting the jobs")
    if json_wanted:
        documents = {name: json_of(each) for name, each in numbers.items()}
        for each in rates:
            # Rollups may also be of a backend that is gone, or another service's.
            documents.setdefault(each.backend, {})["rates"] = rates_to_json(each)
        show_json({"backends": documents})
        return
    show_rows(STATS_COLUMNS, [stats_row(name, each) for name, each in numbers.items()])
    if since is not None:
        click.echo()
        show_rows(RATES_COLUMNS, [rates_row(each) for each in rates])


async def _stats(outbox: Outbox, since: datetime | None) -> tuple[Mapping[str, BackendStats], list[Rates]]:
    rates = [] if since is None else await outbox.rates(since=since)
    return await outbox.stats(), rates


ERROR_COLUMNS = ("jobs", "backend", "path", "error", "code", "first (UTC)", "last (UTC)", "example")


@command(jobs, name="errors", short_help="Group what goes wrong by its error.")
@click.option("--since", type=INSTANT, help="Changed then or later: 1h (ago), 3d, an RFC 3339 instant.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Groups.")
@as_json
def errors(settings: Settings, *, since: datetime | None, limit: int, json_wanted: bool) -> None:
    """Group the jobs that are failed, or wait for a retry, by their last error; the largest first."""
    groups = settings.ask(lambda outbox: outbox.errors(since=since, limit=limit), "grouping the errors")
    show_list("errors", groups, json_of, ERROR_COLUMNS, _error_row, json_wanted=json_wanted)


def _error_row(group: ErrorGroup) -> tuple[object, ...]:
    what = (group.count, group.backend, group.path, group.name, group.code or "")
    return (*what, moment(group.first), moment(group.last), group.example)
