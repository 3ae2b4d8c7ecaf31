"""``sp00ky jobs kill | retry | clear``: an operator's hand; exit 1 when something wasn't done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import click

from sp00ky_core.cli.complaints import say
from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.output import as_json, show_json, show_rows
from sp00ky_core.cli.progress import progress
from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import TERMINAL
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import OperatorFate, OperatorResult

__all__ = ["kill", "retry", "clear"]

DONE = frozenset({OperatorFate.KILLED, OperatorFate.REDRIVEN, OperatorFate.CLEARED})
PAGE = 500
"""Jobs that are cleared at a time."""


@command(jobs, name="kill")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@as_json
@click.pass_context
def kill(
    context: click.Context, /, settings: Settings, *, job_ids: tuple[str, ...], json_wanted: bool
) -> None:
    """End jobs that are pending or processing; an attempt in flight is fenced off."""
    _show(context, run_async(_operate(settings, "kill", job_ids)), json_wanted=json_wanted)


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
    _show(context, results, json_wanted=json_wanted)


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
    """Delete jobs that have ended: those named, or all (--status and --backend narrow it)."""
    if not job_ids:
        results = run_async(_clear_all(settings, [status] if status else sorted(TERMINAL), backend))
        _show(context, results, json_wanted=json_wanted, each=False)
        return
    if status or backend:
        raise click.UsageError("--status and --backend go without IDs", context)
    _show(context, run_async(_operate(settings, "clear", job_ids)), json_wanted=json_wanted)


async def _operate(
    settings: Settings, operation: str, job_ids: Sequence[str], **options: Any
) -> list[OperatorResult]:
    async with settings.outbox() as outbox:
        results: list[OperatorResult] = await getattr(outbox, operation)(*job_ids, **options)
        return results


async def _clear_all(
    settings: Settings, statuses: Sequence[str], backend: str | None
) -> list[OperatorResult]:
    results: list[OperatorResult] = []
    async with settings.outbox() as outbox:
        with progress(lambda: f"{len(results)} jobs looked at"):
            for status in statuses:
                async for page in _clear_pages(outbox, status, backend):
                    results += page
    return [each for each in results if each.fate is not OperatorFate.NOT_FOUND]  # gone is what was asked for


async def _clear_pages(
    outbox: Outbox, status: str, backend: str | None
) -> AsyncIterator[list[OperatorResult]]:
    """Clear page by page; one that holds only what couldn't be cleared before is passed by."""
    tried: set[str] = set()
    after: str | None = None
    while page := await outbox.find(status=status, backend=backend, limit=PAGE, after=after):
        new = [job.id for job in page if job.id not in tried]
        if new:
            tried.update(new)
            yield await outbox.clear(*new)
        else:
            after = page[-1].id


def _show(
    context: click.Context, results: Sequence[OperatorResult], *, json_wanted: bool, each: bool = True
) -> None:
    if json_wanted:
        show_json({"results": [{"id": result.job_id, "result": result.fate.value} for result in results]})
    elif each:
        show_rows(("id", "result"), [(result.job_id, result.fate.value) for result in results])
    else:
        click.echo(f"cleared: {sum(result.fate in DONE for result in results)}")
    undone = [result for result in results if result.fate not in DONE]
    for result in undone:
        say(_complaint(result))
    context.exit(bool(undone))


def _complaint(result: OperatorResult) -> str:
    if result.fate is OperatorFate.NOT_FOUND:
        return str(JobNotFound(job_id=result.job_id))
    return result.problem or f"job {result.job_id}: {result.fate.value.replace('_', ' ')}"
