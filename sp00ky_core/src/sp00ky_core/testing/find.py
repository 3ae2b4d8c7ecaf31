"""Find jobs, whole: a list leaves out what is long."""

from __future__ import annotations

from typing import Any

from sp00ky_core.job import Job
from sp00ky_core.outbox import Outbox
from sp00ky_core.sync import SyncOutbox


async def find_whole(outbox: Outbox, connection: object, **conditions: Any) -> list[Job]:
    """Return the jobs that ``find`` lists, each as ``get`` returns it."""
    jobs = await outbox.find(connection=connection, **conditions)
    return [await outbox.get(job.id, connection=connection) if job.omitted else job for job in jobs]


def find_whole_in(outbox: SyncOutbox, connection: object, **conditions: Any) -> list[Job]:
    """Return the same of a ``SyncOutbox``."""
    jobs = outbox.find(connection=connection, **conditions)
    return [outbox.get(job.id, connection=connection) if job.omitted else job for job in jobs]
