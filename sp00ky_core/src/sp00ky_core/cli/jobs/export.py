"""``sp00ky jobs export``: jobs as JSON, one a line, however many."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any

import click

from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.errors import FAILED, say
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.jobs.ids import job_of
from sp00ky_core.cli.jobs.selection import Selection, choice_options, warn_of_unknown_path
from sp00ky_core.cli.run.signals import stop_signal
from sp00ky_core.cli.terminal.output import json_line
from sp00ky_core.cli.terminal.progress import counted, slow
from sp00ky_core.encoding.job_json import job_to_json
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.outbox import Outbox


@command(jobs, name="export", short_help="Print jobs as JSON, one a line.")
@choice_options()
@click.option("--json", is_flag=True, expose_value=False, hidden=True)  # it always does
@click.pass_context
def export(context: click.Context, /, settings: Settings, **options: Any) -> None:
    """Print jobs as JSON, one a line (NDJSON), newest first, however many; nothing is changed.

    Name them by ID, or by filters, all of which must be met, or --all. Those that are enqueued meanwhile may
    be missing. Exit 1 if it was interrupted, or a job that was named is missing.
    """
    selection = Selection.of(context, options)
    context.exit(settings.ask(lambda outbox: _export(outbox, selection)))


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
    """Print page by page, so that memory holds only one; the exit code."""
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
