"""``sp00ky jobs copy``: enqueue a new job like an old one."""

from __future__ import annotations

from typing import Any, Unpack

import click

from sp00ky_core.cli.arguments import act_options
from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.jobs.ids import job_of
from sp00ky_core.cli.payload import read_payload
from sp00ky_core.cli.terminal.job_format import show_job
from sp00ky_core.cli.terminal.output import as_json
from sp00ky_core.job import Job
from sp00ky_core.operators.copy import copy_job
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import ActOptions


@command(jobs, name="copy", short_help="Enqueue a new job like an old one.")
@click.argument("job_id", metavar="ID")
@click.option("--payload", metavar="PAYLOAD", help="Another payload: JSON, @FILE, or - for standard input.")
@act_options
@as_json
def copy(settings: Settings, *, job_id: str, payload: str | None, json_wanted: bool, **act: Any) -> None:
    """Enqueue a new job like an old one, whatever became of that, and print the new one's id.

    It has the same backend, path, payload, retries, timeout, record, priority and ordering key (there it is
    the last), and no dedup key; it is checked against the backend's document as every new job is.
    """
    document = None if payload is None else read_payload(payload)
    job = settings.ask(lambda outbox: _copy(outbox, job_id, document, **act))
    show_job(job, json_wanted=json_wanted, whole=False)


async def _copy(outbox: Outbox, job_id: str, payload: Any, **act: Unpack[ActOptions]) -> Job:
    return await copy_job(outbox, await job_of(outbox, job_id), payload, **act)
