"""A transition on a job, when the database's clock says ``now``: what a store writes, as a pure function.

Stores that write in their database's language follow it; the memory store and the model use it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from sp00ky_core.job import AttemptError, Job
from sp00ky_core.machine import MAX_ERRORS, Transition

__all__ = ["applied", "appended"]


def applied(job: Job, transition: Transition, now: datetime) -> Job:
    """The job after the transition."""
    keeps = transition.keeps_lease
    return attrs.evolve(
        job,
        status=transition.to,
        retries=transition.retries,
        errors=appended(job.errors, transition.error, now),
        result_json=transition.result_json if transition.result_json is not None else job.result_json,
        run_at=_run_at(job, transition, now),
        lease_until=job.lease_until if keeps else None,
        runner_id=job.runner_id if keeps else None,
        lease_epoch=job.lease_epoch + transition.bumps_epoch,
        updated_at=now,
    )


def appended(
    errors: tuple[AttemptError, ...], error: AttemptError | None, now: datetime
) -> tuple[AttemptError, ...]:
    """The entries with one more; the first and the latest 49 are kept."""
    if error is None:
        return errors
    whole = (*errors, attrs.evolve(error, at=now))
    return whole if len(whole) <= MAX_ERRORS else (whole[0], *whole[1 - MAX_ERRORS :])


def _run_at(job: Job, transition: Transition, now: datetime) -> datetime | None:
    if transition.delay is None:
        return job.run_at
    run_at = now + timedelta(seconds=transition.delay)
    if transition.after_lease and job.lease_until is not None:
        return max(run_at, job.lease_until)
    return run_at
