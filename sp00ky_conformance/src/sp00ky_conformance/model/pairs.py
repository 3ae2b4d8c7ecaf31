"""Keep one job in two stores, as the stateful model knows it."""

from __future__ import annotations

import attrs

from sp00ky_core.job.job import Job
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import Event, decide
from sp00ky_core.ports import Settlement

__all__ = ["Claim", "Pair", "settlement_of"]


@attrs.frozen
class Pair:
    """One job in both stores.

    Attributes:
        number: Its name here, in the order of enqueueing.
        real: Its id in the store under test.
        reference: Its id in the memory store.
    """

    number: int
    real: str
    reference: str


@attrs.frozen
class Claim:
    """One claim of a job in both stores, perhaps stale by now.

    Attributes:
        pair: The job.
        real: As the store under test gave it.
        reference: As the memory store gave it.
    """

    pair: Pair
    real: Job
    reference: Job


def settlement_of(job: Job, event: Event) -> Settlement:
    """Make what a runner writes of a claim; a retry is due at once."""
    policy = RetryPolicy(max_retries=job.max_retries, base=0.0)
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        runner_id=job.runner_id,
        transition=decide(job, event, policy),
    )
