"""Make schedules, runs and situations, each with what a test doesn't say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_schedules.model.config import ForEachConfig, ScheduleConfig
from sp00ky_schedules.model.fire import Situation, fan_out
from sp00ky_schedules.model.records import ScheduleRun, StoredSchedule, Trigger

NOW = datetime(2026, 5, 5, 5, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def config(**fields: Any) -> ScheduleConfig:
    timed = {} if fields.keys() & {"cron", "every"} else {"every": 60.0}
    return ScheduleConfig(**{"name": "nightly", "backend": "api", "route": "/report", **timed, **fields})


def stored(**fields: Any) -> StoredSchedule:
    return StoredSchedule(**{"name": "nightly", "definition": {}, "hash": "h", "next_fire_at": NOW, **fields})


def run(**fields: Any) -> ScheduleRun:
    return ScheduleRun(**{"schedule": "nightly", "fired_at": NOW - 60 * SECOND, "job_id": "job:1", **fields})


def job(status: JobStatus = JobStatus.PENDING, error: str | None = None, reason: str = "why") -> Job:
    errors = () if error is None else (AttemptError(attempt=1, code=500, name=error, reason=reason),)
    return Job(
        id="job:1",
        backend="api",
        path="/report",
        payload_json=b"{}",
        status=status,
        errors=errors,
        updated_at=NOW - SECOND,
    )


def situation(*rows: Mapping[str, Any], **fields: Any) -> Situation:
    definition = fields.pop("definition", None) or config()
    if rows:
        definition = attrs.evolve(definition, for_each=ForEachConfig(query="SELECT 1"))
        fields["rows"] = fan_out(definition.for_each or ForEachConfig(query=""), rows)
    given = {"stored": stored(), "now": NOW, "trigger": Trigger.CRON, "checked": lambda new: new}
    return Situation(**{**given, "definition": definition, **fields})
