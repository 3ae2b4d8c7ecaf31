"""Report to plugins the jobs that operators and schedules have killed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import JobQuery, OperatorResult
from sp00ky_core.stores.naming import NamedJobs

__all__ = ["report_settled"]

logger: logging.Logger = logging.getLogger(__name__)


async def report_settled(jobs: NamedJobs, hooks: Hooks, results: Sequence[OperatorResult]) -> None:
    """Call ``sp00ky_job_settled`` for each job that was written; a fault of the store is logged."""
    written = {each.job_id: each.transition for each in results if each.transition is not None}
    if not written or not hooks.observes("sp00ky_job_settled"):
        return
    try:
        listed = await jobs.find(JobQuery(ids=tuple(written), limit=len(written)))
        whole = {job.id: job for job in listed if not job.omitted}
        for job_id, transition in written.items():
            # An id may have been given in another notation than the job has it in.
            job = whole.get(job_id) or await jobs.get(job_id)
            hooks.dispatch_soon("sp00ky_job_settled", job=job, transition=transition)
    except Sp00kyError as error:  # the kills are durable all the same
        logger.warning("not every kill was reported to the plugins: %s", error)
