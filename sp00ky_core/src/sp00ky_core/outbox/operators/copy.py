"""Enqueue a new job like an old one; the act is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.job.job import Job
from sp00ky_core.outbox.operators.audit import act_of, recorded, selected_ids
from sp00ky_core.ports import ActOptions

if TYPE_CHECKING:
    from sp00ky_core.outbox.outbox import Outbox

__all__ = ["copy_job"]

COPIED = ("assigned_to", "max_retries", "retry_strategy", "timeout", "priority", "ordering_key")


async def copy_job(outbox: Outbox, old: Job, payload: Any = None, **act: Unpack[ActOptions]) -> Job:
    """Enqueue a job like an old one, whatever became of that; it has no dedup key.

    It is checked as every new job is. Of its ordering key it is the last.

    Args:
        outbox: What the old one is of.
        old: The job that is copied.
        payload: Another payload; None: the same.
        act: ``reason`` and ``actor``, for the audit.

    Raises:
        Sp00kyError: As ``Outbox.run``; nothing was enqueued.
    """
    if payload is None:
        payload = JsonText(old.payload_json) if isinstance(old.payload, dict) else old.payload
    copying = act_of("copy", selected_ids([old.id]), via=outbox.via, **act)
    async with recorded(outbox.store, copying) as record:
        options: Any = {name: getattr(old, name) for name in COPIED}
        job = await outbox.run(old.backend, old.path, payload, **options)
        await record.reach(1)
    return job
