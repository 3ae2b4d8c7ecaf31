"""Decide how a run has ended, from its job; count failures in a row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from sp00ky_core.job import Job, JobStatus
from sp00ky_core.outcome import KILLED
from sp00ky_core.ports.schedules import MAX_ROWS, RunStatus, ScheduleRun

__all__ = ["DEADLINE_EXCEEDED", "REPLACED", "ended", "failures_after", "is_late", "kill_reason"]

DEADLINE_EXCEEDED, REPLACED, JOB_GONE = "deadline_exceeded", "replaced", "job_gone"
"""Codes of runs' errors; the first two begin the reason of the kill that they stand for."""

_REASONS = {
    DEADLINE_EXCEEDED: "its schedule's deadline has passed",
    REPLACED: "its schedule has fired again",
}
_STATUSES = {REPLACED: RunStatus.REPLACED}


def kill_reason(code: str) -> str:
    """Return the reason to kill a job with, from which ``ended`` knows the code again."""
    return f"{code}: {_REASONS[code]}"


def is_late(run: ScheduleRun, deadline: float, now: datetime) -> bool:
    """Return whether a run that hasn't ended is past its schedule's deadline (0: there is none).

    None counts for a run that was reopened: an operator has decided how late it may be.
    """
    is_reopened = run.finished_at is not None
    return deadline > 0 and not is_reopened and run.fired_at + timedelta(seconds=deadline) <= now


def ended(run: ScheduleRun, job: Job | None, now: datetime) -> ScheduleRun | None:
    """Return the run as it ended, by its job; None: it goes on. A job that is gone has failed."""
    if job is None:
        return attrs.evolve(
            run,
            status=RunStatus.FAILED,
            error={"code": JOB_GONE, "reason": "its job was deleted"},
            finished_at=now,
        )
    if not job.is_terminal:
        return None
    at = job.updated_at or now
    if job.status is JobStatus.SUCCESS:
        return attrs.evolve(run, status=RunStatus.SUCCESS, finished_at=at)
    status, error = _failure(job)
    return attrs.evolve(run, status=status, error=error, finished_at=at)


def _failure(job: Job) -> tuple[RunStatus, dict[str, Any]]:
    if not job.errors:
        return RunStatus.FAILED, {"code": "unknown", "reason": "its job says nothing of it"}
    last = job.errors[-1]
    error = {"code": last.name, "reason": last.reason} | ({"status": last.code} if last.code else {})
    if last.name != KILLED:
        return RunStatus.FAILED, error
    code, _, reason = last.reason.partition(": ")
    if code not in _REASONS:
        return RunStatus.KILLED, error
    return _STATUSES.get(code, RunStatus.KILLED), {"code": code, "reason": reason}


def failures_after(failures: Mapping[str, int], runs: Iterable[ScheduleRun]) -> dict[str, int]:
    """Return each key's failures in a row after these runs have ended, in their order.

    A run that failed or exceeded its deadline counts, a success ends the row, others change nothing. Of more
    keys than a query may give, those that failed last are remembered: others may never come again.
    """
    found = dict(failures)
    for run in runs:
        late = run.status is RunStatus.KILLED and (run.error or {}).get("code") == DEADLINE_EXCEEDED
        if run.status is RunStatus.SUCCESS:
            found.pop(run.key, None)
        elif run.status is RunStatus.FAILED or late:
            found[run.key] = found.pop(run.key, 0) + 1
    return dict(list(found.items())[-MAX_ROWS:])
