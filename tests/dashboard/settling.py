"""Make jobs that have ended."""

from typing import Any

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import NewJob, Outbox


async def ended(outbox: Outbox, count: int, outcome: Any, *, retry: float = 0.0, **fields: Any) -> list[str]:
    """Enqueue jobs of ``api``, and settle one attempt of each; their ids. ``retry``: seconds to the next."""
    new_jobs = [NewJob(**{"path": "/spookify"} | fields) for _ in range(count)]
    ids = [job.id for job in await outbox.run_many("api", new_jobs)]
    claimed = await outbox.store.claim({"api": count}, "r1")
    assert {job.id for job in claimed} == set(ids)
    await outbox.store.settle([settlement(job, outcome, base=retry) for job in claimed])
    return ids
