"""``sp00ky jobs export``: jobs as JSON, one a line, however many."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
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
    return await _print_all(outbox.pages(selection.conditions, limit=selection.limit))


async def _print_named(outbox: Outbox, job_ids: Sequence[str]) -> int:
    code = 0
    for job_id in dict.fromkeys(job_ids):
        try:
            _print([await job_of(outbox, job_id)])
        except (JobNotFound, JobIdAmbiguous) as error:
            say(str(error))
            code = error.exit_code
    return code


async def _print_all(pages: AsyncGenerator[list[Job], None]) -> int:
    """Print page by page, so that memory holds only one; the exit code."""
    count = 0
    with stop_signal() as stopped:
        async with aclosing(pages):
            with slow("looking for jobs"):
                page = await anext(pages, None)
            with counted() as show:
                while page is not None and not stopped.is_set():
                    _print(page)
                    count += len(page)
                    show(f"exported: {count:,}", count)
                    page = await anext(pages, None)
        if page is None:
            return 0
    say(f"interrupted after {count:,} jobs")
    return FAILED


def _print(page: Sequence[Job]) -> None:
    click.echo(b"".join(json_line(job_to_json(job)) + b"\n" for job in page), nl=False)
