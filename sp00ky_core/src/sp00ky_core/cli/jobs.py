"""``sp00ky jobs``: look at jobs, and look after them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import click

from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.output import (
    JOB_COLUMNS,
    as_json,
    job_row,
    results_json,
    show_job,
    show_json,
    show_rows,
    stats_json,
)
from sp00ky_core.codec import job_to_json
from sp00ky_core.job import TERMINAL, Job, JobStatus
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import BackendStats, OperatorFate, OperatorResult

__all__ = ["jobs"]

DONE = frozenset({OperatorFate.KILLED, OperatorFate.REDRIVEN, OperatorFate.CLEARED})
PAGE = 500
"""Jobs that are cleared at a time."""


@click.group()
def jobs() -> None:
    """Look at jobs, and look after them."""


@command(jobs, name="list")
@click.option("--status", type=click.Choice([each.value for each in JobStatus]), help="Only these.")
@click.option("--backend", help="Only this backend's.")
@click.option("--path", help="Only this route's.")
@click.option("--assigned-to", help="Only this record's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--after", metavar="ID", help="The last job of the page before ('next' in the JSON).")
@as_json
def list_jobs(settings: Settings, *, json_wanted: bool, limit: int, **filters: Any) -> None:
    """List jobs, newest first."""
    found = run_async(_find(settings, limit=limit + 1, **filters))
    page, rest = found[:limit], found[limit:]
    following = page[-1].id if rest else None
    if json_wanted:
        show_json({"jobs": [job_to_json(job) for job in page], "next": following})
        return
    show_rows(JOB_COLUMNS, [job_row(job) for job in page])
    if following:
        click.echo(f"there are more: --after {following}", err=True)


async def _find(settings: Settings, **filters: Any) -> list[Job]:
    async with settings.outbox() as outbox:
        return await outbox.find(**filters)


@command(jobs, name="get")
@click.argument("job_id", metavar="ID")
@as_json
def get(settings: Settings, *, job_id: str, json_wanted: bool) -> None:
    """Show one job."""
    job = run_async(_get(settings, job_id))
    if json_wanted:
        show_json(job_to_json(job))
    else:
        show_job(job)


async def _get(settings: Settings, job_id: str) -> Job:
    async with settings.outbox() as outbox:
        return await outbox.get(job_id)


@command(jobs, name="watch")
@click.argument("job_id", metavar="[ID]", required=False)
@as_json
def watch(settings: Settings, *, job_id: str | None, json_wanted: bool) -> None:
    """Show each change of a job until it has ended, or of all jobs until interrupted."""
    run_async(_watch(settings, job_id, json_wanted=json_wanted))


async def _watch(settings: Settings, job_id: str | None, *, json_wanted: bool) -> None:
    async with settings.outbox() as outbox:
        changes: AsyncIterator[Job] = outbox.watch_all() if job_id is None else outbox.watch(job_id)
        async for job in changes:
            if json_wanted:
                show_json(job_to_json(job), indent=None)
            else:
                show_rows(JOB_COLUMNS, [job_row(job)])


@command(jobs, name="stats")
@as_json
def stats(settings: Settings, *, json_wanted: bool) -> None:
    """Show each backend's queue in numbers."""
    numbers = run_async(_stats(settings))
    if json_wanted:
        show_json(stats_json(numbers))
        return
    columns = (
        "backend",
        "pending",
        "due",
        "processing",
        "success",
        "failed",
        "stalled",
        "oldest due",
        "breaker",
    )
    show_rows(columns, [(name, *_stats_row(each)) for name, each in numbers.items()])


def _stats_row(stats: BackendStats) -> tuple[object, ...]:
    oldest = "" if stats.oldest_due_s is None else f"{stats.oldest_due_s:.1f} s"
    counts = (stats.pending, stats.due, stats.processing, stats.success, stats.failed, stats.stalled)
    return (*counts, oldest, stats.breaker.state)


async def _stats(settings: Settings) -> Mapping[str, BackendStats]:
    async with settings.outbox() as outbox:
        return await outbox.stats()


@command(jobs, name="kill")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@as_json
@click.pass_context
def kill(
    context: click.Context, /, settings: Settings, *, job_ids: tuple[str, ...], json_wanted: bool
) -> None:
    """End jobs that are pending or processing; an attempt in flight is fenced off."""
    _show_results(context, run_async(_operate(settings, "kill", job_ids)), json_wanted=json_wanted)


@command(jobs, name="retry")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--resend-unknown", is_flag=True, help="Also where a request that must not be repeated may have arrived."
)
@as_json
@click.pass_context
def retry(
    context: click.Context,
    /,
    settings: Settings,
    *,
    job_ids: tuple[str, ...],
    resend_unknown: bool,
    json_wanted: bool,
) -> None:
    """Make failed jobs pending again (redrive)."""
    results = run_async(_operate(settings, "redrive", job_ids, resend_unknown=resend_unknown))
    _show_results(context, results, json_wanted=json_wanted)


@command(jobs, name="clear")
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@click.option("--status", type=click.Choice(sorted(each.value for each in TERMINAL)), help="Only these.")
@click.option("--backend", help="Only this backend's.")
@as_json
@click.pass_context
def clear(
    context: click.Context,
    /,
    settings: Settings,
    *,
    job_ids: tuple[str, ...],
    status: str | None,
    backend: str | None,
    json_wanted: bool,
) -> None:
    """Delete jobs that have ended: those named, or all."""
    if job_ids:
        work = _operate(settings, "clear", job_ids)
    else:
        work = _clear_all(settings, [status] if status else sorted(TERMINAL), backend)
    _show_results(context, run_async(work), json_wanted=json_wanted)


async def _operate(
    settings: Settings, operation: str, job_ids: Sequence[str], **options: Any
) -> list[OperatorResult]:
    async with settings.outbox() as outbox:
        results: list[OperatorResult] = await getattr(outbox, operation)(*job_ids, **options)
        return results


async def _clear_all(
    settings: Settings, statuses: Sequence[str], backend: str | None
) -> list[OperatorResult]:
    async with settings.outbox() as outbox:
        return [result for status in statuses for result in await _clear_status(outbox, status, backend)]


async def _clear_status(outbox: Outbox, status: str, backend: str | None) -> list[OperatorResult]:
    results: list[OperatorResult] = []
    after: str | None = None
    while page := await outbox.find(status=status, backend=backend, limit=PAGE, after=after):
        cleared = await outbox.clear(*(job.id for job in page))
        results += cleared
        # What is cleared can't be paged after; what couldn't be is passed over.
        left = [result.job_id for result in cleared if result.fate not in DONE | {OperatorFate.NOT_FOUND}]
        after = left[-1] if left else None
    return results


def _show_results(context: click.Context, results: Sequence[OperatorResult], *, json_wanted: bool) -> None:
    if json_wanted:
        show_json(results_json(results))
    else:
        show_rows(("id", "result"), [(result.job_id, result.fate.value) for result in results])
    for result in results:
        if result.problem:
            click.echo(f"sp00ky: {' '.join(result.problem.split())}", err=True)
    context.exit(any(result.fate not in DONE for result in results))
