"""Choose what is compared of two stores whose clocks and ids differ."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import attrs

from sp00ky_core.job.job import Job
from sp00ky_core.ports import BackendStats, BreakerStats, ErrorGroup, Pause
from sp00ky_core.stores.decisions import BEGINNING

__all__ = ["LATER", "facts_of_errors", "facts_of_job", "facts_of_stats"]

LATER = timedelta(hours=1)
"""From now: no step of the model comes as late; leases are shorter."""


def facts_of_job(job: Job) -> dict[str, object]:
    """Return what two stores agree on of a job."""
    entries = [
        (error.attempt, error.code, error.name, error.runner_id, error.count, error.since is not None)
        for error in job.errors
    ]
    return {
        "status": job.status,
        "retries": job.retries,
        "epoch": job.lease_epoch,
        "errors": entries,
        "result": job.result,
        "payload": job.payload,
        "runner": job.runner_id,
        "leased": job.lease_until is not None,
        "deferred": job.deferred_since is not None,
        "later": job.run_at is not None and job.run_at > datetime.now(UTC) + LATER / 2,
        "dedup_key": job.dedup_key,
        "priority": job.priority,
        "ordering_key": job.ordering_key,
        "placed": job.ordering_at is not None,
        "defect": job.defect,
    }


def facts_of_stats(stats: BackendStats) -> BackendStats:
    """Return a backend's numbers without instants and ages."""
    return attrs.evolve(
        stats,
        oldest_due_s=None,
        oldest_deferred_s=None,
        breaker=BreakerStats(state=stats.breaker.state),
        paused=None if stats.paused is None else _facts_of_pause(stats.paused),
    )


def _facts_of_pause(pause: Pause) -> Pause:
    return attrs.evolve(pause, since=None, until=None if pause.until is None else BEGINNING)


def facts_of_errors(groups: Iterable[ErrorGroup]) -> list[tuple[str, str, str, int, int]]:
    """Return the groups in an order of their own: of two that are as large either may come first."""
    return sorted((group.backend, group.path, group.name, group.code, group.count) for group in groups)
