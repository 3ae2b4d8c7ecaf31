"""``sp00ky jobs``: read jobs, and operate them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import starmap
from typing import Any

import attrs
import click

from sp00ky_core.cli.command import (
    Command,
    Commands,
    Settings,
    as_json,
    command,
    flag,
    option,
    with_settings,
)
from sp00ky_core.cli.options import PAST, filter_options, job_of, page_options, warn_of_unknown
from sp00ky_core.cli.output import (
    aligned,
    coloured_text,
    draws,
    json_wanted,
    last_error,
    moment,
    show,
    show_job,
    show_json,
    show_list,
    show_page,
    slow,
    span,
)
from sp00ky_core.encoding.escaping import plain
from sp00ky_core.job.job import Job, JobStatus, job_to_json
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.observe.rates import Rates
from sp00ky_core.outbox.operators.bulk import REDACT
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.queries import FAILING, SHARES, json_of, rates_to_json
from sp00ky_core.ports import GROUPED, OUTCOMES, BackendStats, ErrorGroup, GroupBy, JobFilter, JobGroup, Pause

__all__ = ["jobs"]

OPERATIONS = ("kill", "retry", "clear", "reschedule", "copy", "redact", "erase", "export", "import")


@click.group(cls=Commands, modules=dict.fromkeys(OPERATIONS, "job_operations"))
@with_settings
def jobs() -> None:
    """Look at jobs, and look after them."""


JOB_COLUMNS: Sequence[str] = (
    *("id", "backend", "path", "status", "retries"),
    *("assigned_to", "updated (UTC)", "due (UTC)", "error"),
)
CLAIM_COLUMNS = ("id", "backend", "path", "retries", "runner", "host", "since (UTC)", "deadline (UTC)")


@command(jobs, name="list", short_help="List jobs, newest first.")
@filter_options()
@page_options("job", "Jobs")
@as_json
async def list_jobs(outbox: Outbox, *, conditions: JobFilter, limit: int, after: str | None) -> None:
    """List jobs, newest first; every filter that is given must be met.

    With --status processing it shows who has them, since when, and until when the lease lasts.
    """
    columns, to_row = JOB_COLUMNS, job_row
    if conditions.status is JobStatus.PROCESSING:
        hosts = {runner.id: runner.host for runner in await outbox.runners()}
        columns, to_row = CLAIM_COLUMNS, partial(claim_row, hosts=hosts)
    async with aclosing(_listed(outbox, conditions, limit + 1, after)) as listed:
        await show_page("jobs", listed, job_to_json, columns, to_row, limit=limit)


async def _listed(
    outbox: Outbox, conditions: JobFilter, limit: int, after: str | None
) -> AsyncGenerator[Job, None]:
    """Yield jobs; none of a page is held when the next one is read."""
    warn_of_unknown(outbox, conditions)
    last = None if after is None else await job_of(outbox, after)
    async with aclosing(outbox.pages(conditions, limit=limit, after=last)) as pages:
        with slow("looking for jobs"):
            page = await anext(pages, list[Job]())
        while page:
            while page:
                yield page.pop(0)
            page = await anext(pages, [])


def job_row(job: Job) -> tuple[object, ...]:
    """Format a job under ``JOB_COLUMNS``."""
    retries = f"{job.retries}/{job.max_retries}"
    due = moment(job.run_at) if job.status is JobStatus.PENDING else ""
    cells = (job.id, job.backend, job.path, job.status.value, retries)
    return (*cells, job.assigned_to, moment(job.updated_at), due, last_error(job))


def claim_row(job: Job, hosts: Mapping[str, str]) -> tuple[object, ...]:
    """Format a job that is processing under ``CLAIM_COLUMNS``; ``hosts`` are by runners' ids."""
    runner = job.runner_id or ""
    claim = (runner, hosts.get(runner), moment(job.updated_at), moment(job.lease_until))
    return (job.id, job.backend, job.path, f"{job.retries}/{job.max_retries}", *claim)


def change_line(job: Job) -> str:
    """Format a change of a job, in one line."""
    line = f"{moment(job.updated_at)}  {job.id}  {job.backend} {job.path}  {job.status.value}"
    if job.retries:
        line += f"  retry {job.retries} of {job.max_retries}"
    return plain(f"{line}  {last_error(job)}".rstrip())


@command(jobs, name="count", doing="counting the jobs", short_help="Count jobs.")
@filter_options()
@as_json
async def count(outbox: Outbox, *, conditions: JobFilter) -> None:
    """Count the jobs that meet every filter that is given, in each status; with --json also all together."""
    warn_of_unknown(outbox, conditions)
    counts = {
        status.value: await outbox.count_matching(REDACT, attrs.evolve(conditions, status=status))
        for status in JobStatus
        if status in conditions.statuses
    }
    document = {"count": sum(counts.values()), "statuses": counts}
    show(document, aligned(("status", "jobs"), counts.items()))


@command(jobs, name="get", short_help="Show one job.")
@click.argument("job_id", metavar="ID")
@as_json
async def get(outbox: Outbox, *, job_id: str) -> None:
    """Show one job; exit 1 if there is none of that ID, which may be shortened to what is unique."""
    show_job(await job_of(outbox, job_id))


@command(jobs, name="watch", short_help="Show a job, or all, now and at each change.")
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
    settings.ask(lambda outbox: _watch(outbox, job_id, history or 0))


async def _watch(outbox: Outbox, job_id: str | None, history: int) -> None:
    if job_id is None and not json_wanted() and draws():
        from sp00ky_core.cli.screens import watch_changes  # noqa: PLC0415  # rich is slow to import

        await watch_changes(outbox, history=history)
    if job_id is None:
        changes = outbox.watch_all(history=history)
    else:
        changes = outbox.watch((await job_of(outbox, job_id)).id)
    async for job in changes:
        if json_wanted():
            show_json(job_to_json(job), indent=None)
        else:
            line, status = change_line(job), job.status.value
            click.echo(line.replace(f"  {status}", f"  {coloured_text(status)}", 1) if draws() else line)


STATS_COLUMNS = (
    *("backend", "pending", "due", "processing", "success", "failed"),
    *("stalled", "deferred", "oldest due", "empty in", "breaker", "paused"),
)

RATES_COLUMNS = (
    *("backend", "attempts", "per second", *OUTCOMES),
    *("p50", "p95", "p99", "not delivered, by code"),
)


MOST_ASSIGNED = 20
"""Groups by whom jobs are assigned to, where no other number is asked for."""

group_option: Callable[[Command], Command] = option(
    "--by", "By route, or by whom jobs are assigned to.", type=click.Choice(list(GROUPED))
)


@command(jobs, name="stats", short_help="Show each backend's queue in numbers.")
@option("--since", "And the attempts that ended then or later: 24h (ago), 30d at most.", type=PAST)
@group_option
@flag("--watch", "Keep showing it, with rates, until interrupted.", name="is_live")
@as_json
def stats(settings: Settings, *, since: datetime | None, by: GroupBy | None, is_live: bool) -> None:
    """Show each backend's queue in numbers; with --since its attempts: rates, failures by code, durations.

    Those are kept for 30 days, however long jobs are, and known 4 s after they end.

    With --by the 20 largest groups of jobs, and how long it took: by route the attempts, by whom jobs are
    assigned to the latest 100 jobs from their creation to their end; of the last 24 h, or --since.

    With --watch a line a second and backend, until Ctrl-C.
    """
    if is_live and (since is not None or by is not None):
        raise click.UsageError("--watch shows what happens from now on: leave out --since and --by")
    if by is not None:
        since = since or datetime.now(UTC) - DAY
        asked = partial(Outbox.groups, by=by, limit=MOST_ASSIGNED, since=since)
        groups = settings.ask(asked, "counting the jobs")
        to_json, to_row = partial(_group_to_json, by=by), partial(_group_row, by=by)
        show_list("groups", groups, to_json, GROUP_COLUMNS[by], to_row)
        return
    if is_live:
        from sp00ky_core.cli.queue_counts import watch_queues  # noqa: PLC0415  # other commands start without

        settings.ask(watch_queues)
        return
    numbers, rates = settings.ask(partial(_stats, since=since), "counting the jobs")
    documents = {name: json_of(stats) for name, stats in numbers.items()}
    for row in rates:
        # Rollups may also be of a backend that is gone, or another service's.
        documents.setdefault(row.backend, {})["rates"] = rates_to_json(row)
    queues = aligned(STATS_COLUMNS, starmap(stats_row, numbers.items()))
    attempts = () if since is None else ("", *aligned(RATES_COLUMNS, map(rates_row, rates)))
    show({"backends": documents}, (*queues, *attempts))


async def _stats(outbox: Outbox, since: datetime | None) -> tuple[Mapping[str, BackendStats], list[Rates]]:
    rates = [] if since is None else await outbox.rates(since=since)
    return await outbox.stats(), rates


DAY = timedelta(days=1)

GROUP_COLUMNS: Mapping[GroupBy, tuple[str, ...]] = {
    by: ("backend", column, "pending", "processing", "success", "failed", "p50", "p95", "p99")
    for by, column in GROUPED.items()
}


def _group_row(group: JobGroup, by: GroupBy) -> tuple[object, ...]:
    row = _group_to_json(group, by)
    return tuple(span(value) if name in SHARES else value for name, value in row.items())


ERROR_COLUMNS = ("jobs", "backend", "path", "error", "code", "first (UTC)", "last (UTC)", "example")


@command(jobs, name="errors", doing="grouping the errors", short_help="Group what goes wrong by its error.")
@filter_options(sorted(FAILING), created=False)
@option("--since", "Changed then or later: 1h (ago), 3d, an RFC 3339 instant.", type=PAST, name="changed")
@group_option
@option("--limit", "Groups: 100, or 20 with --by assigned.", type=click.IntRange(1, 10_000))
@as_json
async def errors(
    outbox: Outbox,
    *,
    conditions: JobFilter,
    changed: datetime | None,
    by: GroupBy | None,
    limit: int | None,
) -> None:
    """Group the jobs that are failed, or wait for a retry, by their last error; the largest first.

    By their route, too, or by whom they are assigned to. Every filter that is given must be met.
    """
    by = by or "route"
    most = limit or (100 if by == "route" else MOST_ASSIGNED)
    warn_of_unknown(outbox, conditions)
    groups = await outbox.errors(since=changed, limit=most, filter=conditions, by=by)
    columns = tuple(GROUPED[by] if column == "path" else column for column in ERROR_COLUMNS)
    to_json = partial(_group_to_json, by=by)
    show_list("errors", groups, to_json, columns, partial(_error_row, by=by))


def _group_to_json(group: ErrorGroup | JobGroup, by: GroupBy) -> dict[str, Any]:
    document = json_of(group)
    del document["assigned_to" if by == "route" else "path"]
    return document


def _error_row(group: ErrorGroup, by: GroupBy) -> tuple[object, ...]:
    code = (group.code if group.scheme == HTTP else group) if group.code else ""
    grouped = group.path if by == "route" else group.assigned_to
    cells = (group.count, group.backend, grouped, group.name, code)
    return (*cells, moment(group.first), moment(group.last), group.example)


def stats_row(backend: str, stats: BackendStats) -> tuple[object, ...]:
    """Format a backend under ``STATS_COLUMNS``."""
    wait = stats.breaker.paused_for_s
    breaker = f"{stats.breaker.state}, paused for {span(wait)}" if wait else stats.breaker.state
    ended = (stats.success, stats.failed)
    counts = (stats.pending, stats.due, stats.processing, *ended, stats.stalled, stats.deferred)
    return (backend, *counts, span(stats.oldest_due_s), _empty_text(stats), breaker, pause_text(stats.paused))


def _empty_text(stats: BackendStats) -> str:
    if not (stats.due or stats.processing):
        return ""  # what isn't due yet isn't counted
    if stats.empty_in_s is None:
        return "?"
    low, high = map(span, stats.empty_in_s)
    return low if low == high else f"{low} to {high}"


def rates_row(rates: Rates) -> tuple[object, ...]:
    """Format a backend's attempts under ``RATES_COLUMNS``."""
    counts = (rates.outcomes[outcome] for outcome in OUTCOMES)
    durations = (span(seconds) for seconds in (rates.p50_s, rates.p95_s, rates.p99_s))
    codes = ", ".join(f"{code or 'no answer'}: {count}" for code, count in rates.codes.items())
    return (rates.backend, rates.attempts, f"{rates.per_second:.2f}", *counts, *durations, codes)


def pause_text(pause: Pause | None) -> str:
    """Format an operator's pause: until when, by whom, and why."""
    if pause is None:
        return ""
    text = "until it is resumed" if pause.until is None else f"until {moment(pause.until)}"
    text += f", by {pause.actor}" if pause.actor else ""
    return f"{text}: {pause.reason}" if pause.reason else text
