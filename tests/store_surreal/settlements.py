"""Build the settlement of a claimed job, as a runner would."""

from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import Event, decide
from sp00ky_core.ports import Settlement

__all__ = ["settlement_of"]


def settlement_of(job: Job, event: Event | None = None) -> Settlement:
    """Decide what follows from an event, by default a delivery; a retry is due at once."""
    return Settlement(
        job_id=job.id,
        backend="api",
        epoch=job.lease_epoch,
        runner_id=job.runner_id,
        transition=decide(job, event or Delivered(), RetryPolicy(base=0)),
    )
