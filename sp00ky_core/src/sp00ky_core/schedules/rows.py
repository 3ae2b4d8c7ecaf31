"""Read schedules and runs from their rows, and write them as rows, for every store. Pure.

Columns are named as the fields are. JSON is written as text, and read as text or parsed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_core.errors import RunUnreadable
from sp00ky_core.ports.capabilities.schedules import RunStatus, ScheduleRun, Spawn, StoredSchedule, Trigger

__all__ = ["refused_run", "run_of", "run_row", "run_with_job", "schedule_of", "schedule_row"]

ROW_REFUSED = "row_refused"
"""Code of the error of a run whose job the database has refused."""


def schedule_of(row: Mapping[str, Any]) -> StoredSchedule:
    """Read a row of ``sp00ky_schedule``."""
    return StoredSchedule(
        name=row["name"],
        definition=_parsed(row["definition"]) or {},
        hash=row["hash"] or "",
        seen=tuple(_parsed(row["seen"]) or ()),
        origin=row["origin"] or "file",
        revision=row["revision"] or 0,
        paused=bool(row["paused"]),
        removed=bool(row["removed"]),
        next_fire_at=row["next_fire_at"],
        last_fired_at=row["last_fired_at"],
        last_error=row["last_error"],
        failures=_parsed(row["failures"]) or {},
        job_table=row["job_table"],
    )


def schedule_row(schedule: StoredSchedule) -> dict[str, Any]:
    """Write the row that a change makes: its ``revision`` is one more than the one it was decided on.

    ``paused`` and ``removed`` are 0 or 1, instants stay as they are.
    """
    row = {field.name: getattr(schedule, field.name) for field in attrs.fields(StoredSchedule)}
    return row | {
        "definition": json.dumps(dict(schedule.definition)),
        "seen": json.dumps(list(schedule.seen)),
        "failures": json.dumps(dict(schedule.failures)),
        "revision": schedule.revision + 1,
        "paused": int(schedule.paused),
        "removed": int(schedule.removed),
    }


def run_of(row: Mapping[str, Any]) -> ScheduleRun:
    """Read a row of ``sp00ky_schedule_run``.

    Raises:
        RunUnreadable: its status or its trigger isn't known here.
    """
    try:
        trigger, status = Trigger(row["trigger"]), RunStatus(row["status"])
    except ValueError as error:
        named = {name: row[name] for name in ("schedule", "fired_at", "key")}
        raise RunUnreadable(**named, problem=str(error)) from error
    return ScheduleRun(
        schedule=row["schedule"],
        fired_at=row["fired_at"],
        key=row["key"],
        trigger=trigger,
        job_id=row["job_id"],
        status=status,
        error=_parsed(row["error"]),
        finished_at=row["finished_at"],
    )


def run_row(run: ScheduleRun) -> dict[str, Any]:
    """Write the row of a run; instants stay as they are."""
    row = {field.name: getattr(run, field.name) for field in attrs.fields(ScheduleRun)}
    error = None if run.error is None else json.dumps(dict(run.error))
    return row | {"trigger": run.trigger.value, "status": run.status.value, "error": error}


def run_with_job(spawn: Spawn, job_id: str) -> ScheduleRun:
    """Return the run of a spawn whose job was inserted."""
    return attrs.evolve(spawn.run, job_id=job_id)


def refused_run(spawn: Spawn, problem: str) -> ScheduleRun:
    """Return the run of a spawn whose job the database has refused."""
    error = {"code": ROW_REFUSED, "reason": problem}
    return attrs.evolve(spawn.run, status=RunStatus.FAILED, error=error, finished_at=spawn.run.fired_at)


def _parsed(value: Any) -> Any:
    """Parse a JSON column, unless the database's driver has; None: it is missing, or no JSON."""
    try:
        return json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        return None
