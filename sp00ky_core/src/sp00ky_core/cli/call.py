"""``sp00ky call``: enqueue one job, and perhaps wait for its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import click

from sp00ky_core.cli.job_format import show_job
from sp00ky_core.cli.logs import set_level
from sp00ky_core.cli.options import (
    DURATION,
    LATER,
    Settings,
    as_json,
    backend_names,
    command,
    flag,
    operation_names,
    option,
    run_async,
)
from sp00ky_core.cli.output import progress, say
from sp00ky_core.cli.payload import Parts, read_payload
from sp00ky_core.cli.signals import AGAIN, GRACE, stop_signal, unless_stopped
from sp00ky_core.errors import PayloadInvalid, Sp00kyError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.runner import Runner, RunnerOptions

LONG = 10.0
"""Seconds after which ``--wait`` says what may keep the job."""


@command()
@click.argument("backend", shell_complete=backend_names)
@click.argument("path", metavar="OPERATION", shell_complete=operation_names)
@click.argument("payload", required=False)
@option("--param", "A parameter; repeat for more.", name="parameters", multiple=True, metavar="NAME=VALUE")
@option("--body", "The body: JSON, text or bytes, @FILE, or - for standard input.", metavar="BODY")
@option("--content-type", "Of the body, where the operation takes several.", metavar="TYPE")
@option("--assigned-to", "The record that the job belongs to: thread:abc.", metavar="RECORD")
@option("--max-retries", "Attempts after the first; by default the backend's.", type=int)
@option("--retry-strategy", "linear, exponential, ...; by default the backend's.")
@option("--timeout", "Seconds for an attempt, where the backend allows it.", type=float)
@option("--delay", "When it is due: 90 (seconds), 5m, 6h.", type=DURATION)
@option("--run-at", "When it is due: 2026-01-31T12:00:00Z; either this or --delay.", type=LATER)
@option("--expires-at", "It isn't sent after that: 10m (from now), or an instant.", type=LATER)
@option("--dedup-key", "At most one job with this key is pending or processing.")
@option("--priority", "0 to 3; higher ones go first.", type=int, default=0)
@option("--ordering-key", "Jobs with this key are delivered one at a time, in order.")
@flag("--wait", "Wait for the job's end; exit 1 if it failed.")
@as_json
def call(
    settings: Settings,
    *,
    backend: str,
    path: str,
    payload: str | None,
    parameters: tuple[str, ...],
    body: str | None,
    content_type: str | None,
    wait: bool,
    **options: Any,
) -> int:
    """Enqueue a call of BACKEND's OPERATION and print the job's id.

    OPERATION is a path of the document, its method and path ("PUT /orders/{id}"), or an operationId.

    PAYLOAD is JSON, @FILE, or - for standard input; or give --param and --body instead. With --wait the job
    is printed when it has ended; where the store belongs to one process (an embedded database), this command
    then delivers whatever is due until that.
    """
    parts = Parts(parameters=parameters, body=body, content_type=content_type)
    has_parts = parts != Parts()
    if payload is not None and has_parts:
        raise click.UsageError("give PAYLOAD, or --param, --body and --content-type, not both")
    document = parts if has_parts else {} if payload is None else read_payload(payload)
    job = run_async(_call(settings, backend, path, document, wait=wait, options=options))
    show_job(job, json_wanted=settings.json, whole=wait)
    return int(wait and job.status is not JobStatus.SUCCESS)


async def _call(
    settings: Settings, backend: str, path: str, payload: Any, *, wait: bool, options: dict[str, Any]
) -> Job:
    outbox = settings.outbox()
    operation = outbox.backends.named(backend).contract.operation(path)
    parts = payload if isinstance(payload, Parts) else None
    if parts is not None:  # the enqueue says what is wrong with the operation
        payload = parts.payload(operation) if operation is not None else {}
    runs_here = wait and not outbox.store.capabilities.shared
    runner = (
        outbox.runner(RunnerOptions(grace=GRACE)) if runs_here else None
    )  # before anything is written: is a transport installed?
    async with outbox:
        try:
            job = await outbox.run(backend, path, payload, **options)
        except PayloadInvalid as error:
            if parts is None or operation is None:
                raise
            raise parts.problem(operation, error) from error
        if wait:
            return await _ended(outbox, job, runner)
        if not outbox.store.capabilities.durable:
            say(f"warning: {outbox.store.location} ends with this command, and the job with it; use --wait")
        return job


async def _ended(outbox: Outbox, job: Job, runner: Runner | None) -> Job:
    """Return the job when it has ended; an interrupt lets an attempt in flight end first."""
    by = "whichever `sp00ky run` is up" if runner is None else "this command"
    say(f"{job.id} is {job.status.value}: delivered by {by}")

    async def watch() -> Job:
        nonlocal job
        async for change in outbox.watch(job.id):
            job = change
        return job

    with progress(
        lambda: f"waiting for {job.id}: {job.status.value}, retry {job.retries} of {job.max_retries}"
    ):
        if runner is None:
            async with _reasons_said(outbox, job):
                return await watch()
        set_level("error")  # what goes wrong with the job is in what is printed of it
        with stop_signal() as stopped:
            async with runner:
                if ended := await unless_stopped(stopped, watch()):
                    return ended
                say(f"interrupted: an attempt in flight gets {GRACE:g} s; {AGAIN}")
    raise KeyboardInterrupt


@asynccontextmanager
async def _reasons_said(outbox: Outbox, job: Job) -> AsyncIterator[None]:
    """Say once what keeps the jobs of a table, such as that no runner is alive, if this takes long."""
    saying = asyncio.create_task(_say_reasons(outbox, job.id.partition(":")[0]))
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.wait([saying])


async def _say_reasons(outbox: Outbox, table: str) -> None:
    await asyncio.sleep(LONG)
    with suppress(Sp00kyError):
        for finding in await outbox.check():
            if finding.subject == table:
                say(f"it goes on waiting: {finding.problem}; {finding.fix}")
