"""``sp00ky jobs list | get | watch | stats``: these change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
import click

from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.jobtext import JOB_COLUMNS, STATS_COLUMNS, change_line, job_lines, job_row, stats_row
from sp00ky_core.cli.output import as_json, show_json, show_rows
from sp00ky_core.codec import job_to_json
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import BackendStats

__all__ = ["list_jobs", "get", "watch", "stats"]


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
    """Show one job; exit 1 if there is none of that ID."""
    job = run_async(_get(settings, job_id))
    if json_wanted:
        show_json(job_to_json(job))
        return
    for line in job_lines(job):
        click.echo(line)


async def _get(settings: Settings, job_id: str) -> Job:
    async with settings.outbox() as outbox:
        return await outbox.get(job_id)


@command(jobs, name="watch")
@click.argument("job_id", metavar="[ID]", required=False)
@as_json
def watch(settings: Settings, *, job_id: str | None, json_wanted: bool) -> None:
    """Show a job now and at each change until it has ended, or all jobs until interrupted.

    A line each; with --json a JSON document a line. It exits 0 also where the job failed (see its status),
    and 1 if there is none of that ID.
    """
    run_async(_watch(settings, job_id, json_wanted=json_wanted))


async def _watch(settings: Settings, job_id: str | None, *, json_wanted: bool) -> None:
    async with settings.outbox() as outbox:
        changes: AsyncIterator[Job] = outbox.watch_all() if job_id is None else outbox.watch(job_id)
        async for job in changes:
            if json_wanted:
                show_json(job_to_json(job), indent=None)
            else:
                click.echo(change_line(job))


@command(jobs, name="stats")
@as_json
def stats(settings: Settings, *, json_wanted: bool) -> None:
    """Show each backend's queue in numbers."""
    numbers = run_async(_stats(settings))
    if json_wanted:
        show_json({"backends": {name: attrs.asdict(each) for name, each in numbers.items()}})
    else:
        show_rows(STATS_COLUMNS, [stats_row(name, each) for name, each in numbers.items()])


async def _stats(settings: Settings) -> Mapping[str, BackendStats]:
    async with settings.outbox() as outbox:
        return await outbox.stats()
