"""``sp00ky call``: enqueue one job, and perhaps wait for its end."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.durations import DURATION
from sp00ky_core.cli.output import as_json, show_job, show_json
from sp00ky_core.codec import job_to_json
from sp00ky_core.errors import PayloadNotJson
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.jsontext import decode
from sp00ky_core.outbox import Outbox

__all__ = ["call"]


@command()
@click.argument("backend")
@click.argument("path")
@click.argument("payload", default="{}")
@click.option("--assigned-to", metavar="RECORD", help="The record that the job belongs to: thread:abc.")
@click.option("--max-retries", type=int, default=3, show_default=True, help="Attempts after the first.")
@click.option("--retry-strategy", default="linear", show_default=True, help="linear, exponential, ...")
@click.option("--timeout", type=float, help="Seconds for an attempt, where the backend allows it.")
@click.option("--delay", type=DURATION, help="When it is due: 90, 5m, 6h.")
@click.option("--dedup-key", help="At most one job with this key is pending or processing.")
@click.option("--wait", is_flag=True, help="Wait for the job's end; exit 1 if it failed.")
@as_json
@click.pass_context
def call(
    context: click.Context,
    /,
    settings: Settings,
    *,
    backend: str,
    path: str,
    payload: str,
    wait: bool,
    json_wanted: bool,
    **options: Any,
) -> None:
    """Enqueue a call of BACKEND's PATH and print the job's id.

    PAYLOAD is JSON, @FILE, or - for standard input.
    """
    document = _document(payload)
    job = run_async(_call(settings, backend, path, document, wait=wait, options=options))
    if json_wanted:
        show_json(job_to_json(job))
    elif wait:
        show_job(job)
    else:
        click.echo(job.id)
    context.exit(wait and job.status is not JobStatus.SUCCESS)


def _document(payload: str) -> Any:
    try:
        if payload == "-":
            return decode(sys.stdin.buffer.read())
        if payload.startswith("@"):
            return decode(Path(payload[1:]).read_bytes())
        return decode(payload)
    except OSError as error:
        raise click.UsageError(f"PAYLOAD {payload}: {error.strerror}") from error
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error


async def _call(
    settings: Settings, backend: str, path: str, payload: Any, *, wait: bool, options: dict[str, Any]
) -> Job:
    async with settings.outbox() as outbox:
        job = await outbox.run(backend, path, payload, **options)
        return await _ended(outbox, job) if wait else job


async def _ended(outbox: Outbox, job: Job) -> Job:
    async with AsyncExitStack() as stack:
        if not outbox.store.capabilities.shared:  # only this process can run it
            await stack.enter_async_context(outbox.runner())
        async for change in outbox.watch(job.id):
            job = change
    return job
