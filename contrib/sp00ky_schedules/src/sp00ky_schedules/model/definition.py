"""Decide when a schedule fires, and what a definition makes of its row; read and write rows. Pure.

Columns are named as the fields are. JSON is written as text, and read as text or parsed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from sp00ky_core.encoding.json_bytes import json_hash
from sp00ky_schedules.errors import RunUnreadable, ScheduleInvalid
from sp00ky_schedules.model.config import ScheduleConfig, parse_schedule
from sp00ky_schedules.model.cron import next_cron
from sp00ky_schedules.model.records import RunStatus, ScheduleRun, Spawn, StoredSchedule, Trigger

__all__ = ["can_not_fire", "next_fire"]

AHEAD = timedelta(seconds=60)
"""By how much a next fire may lie after the one computed now: clocks are set by less in normal service."""


def next_fire(definition: ScheduleConfig, after: datetime) -> datetime | None:
    """Return the first fire after an instant, in UTC; None: there is none.

    Missed fires coalesce, for it is computed from now and not from the fire before.
    """
    if not definition.enabled:
        return None
    if definition.cron is None:
        return after + timedelta(seconds=definition.every or 0.0)
    return next_cron(definition.cron, ZoneInfo(definition.timezone), after)


def is_due(stored: StoredSchedule, now: datetime) -> bool:
    """Return whether a schedule is to fire now by its own clock."""
    return not can_not_fire(stored) and stored.next_fire_at is not None and stored.next_fire_at <= now


LATE_AFTER = timedelta(seconds=60)
"""How late a fire is until it is a problem: a slow query and a runner's restart take less."""


def late_by(stored: StoredSchedule, now: datetime) -> timedelta | None:
    """Return how long a fire has been overdue, beyond what is usual; None: it isn't."""
    at = stored.next_fire_at
    if can_not_fire(stored) or at is None or now - at < LATE_AFTER:
        return None
    return now - at


def brought_back(stored: StoredSchedule, definition: ScheduleConfig, now: datetime) -> StoredSchedule | None:
    """Return the row with the next fire computed from now, where the stored one is too far ahead.

    It is after the database's clock was ahead when it was computed, and has been set back since. None: the
    row is as it should be.
    """
    at, computed = stored.next_fire_at, next_fire(definition, now)
    if can_not_fire(stored) or at is None or computed is None or at - computed <= AHEAD:
        return None
    return attrs.evolve(stored, next_fire_at=computed)


def can_not_fire(stored: StoredSchedule) -> bool:
    """Return whether it is kept from firing, by its clock or by hand."""
    return stored.paused or stored.removed


def same_clock(one: ScheduleConfig, other: ScheduleConfig) -> bool:
    """Return whether two definitions fire at the same times."""
    clock = attrgetter("cron", "every", "timezone", "enabled")
    return bool(clock(one) == clock(other))


def definition_of(stored: StoredSchedule) -> ScheduleConfig | None:
    """Read a row's definition; None: a later version wrote it, or no outbox has."""
    try:
        return parse_schedule(stored.name, stored.definition)
    except ScheduleInvalid:
        return None


MOST_SEEN = 100
"""Hashes that a row remembers."""


def defined(
    definition: ScheduleConfig,
    stored: StoredSchedule | None,
    now: datetime,
    *,
    origin: str = "file",
    job_table: str | None = None,
    only_new: bool = False,
) -> StoredSchedule | None:
    """Return the row as a definition has it; None: it is so already, or isn't to be changed.

    Args:
        definition: What is wanted.
        stored: The row, if there is one.
        now: By the database's clock.
        origin: Who defines it: ``file`` or ``python``.
        job_table: Of its backend; None: that isn't configured.
        only_new: As a runner's start does: a definition that the row has had before stays where it is, so
            that an older process doesn't undo what a newer one has defined or removed; nor does it take over
            one that another service has.
    """
    written = definition.to_json()
    digest = json_hash(written)
    if stored is None:
        stored = StoredSchedule(name=definition.name, definition={}, hash="", removed=True)
    else:
        owner = (digest, origin, job_table)
        is_so = not stored.removed and owner == (stored.hash, stored.origin, stored.job_table)
        if is_so or (only_new and (digest in stored.seen or is_others(stored, job_table))):
            return None
    before = definition_of(stored)
    keeps_clock = not stored.removed and before is not None and same_clock(before, definition)
    seen = (*(known for known in stored.seen if known != digest), digest)
    return attrs.evolve(
        stored,
        definition=written,
        hash=digest,
        seen=seen[-MOST_SEEN:],
        origin=origin,
        job_table=job_table,
        removed=False,
        next_fire_at=stored.next_fire_at if keeps_clock else next_fire(definition, now),
        last_error=stored.last_error if digest == stored.hash else None,  # it was of another definition
    )


def is_others(stored: StoredSchedule, job_table: str | None) -> bool:
    """Return whether another service defines a schedule: its backend has another table than this one."""
    return not stored.removed and stored.job_table not in (None, job_table)


def removed(stored: StoredSchedule) -> StoredSchedule:
    """Return the row of a schedule that is no longer defined; its runs stay until they are old."""
    return attrs.evolve(stored, removed=True, next_fire_at=None, failures={}, last_error=None)


def paused(stored: StoredSchedule) -> StoredSchedule:
    """Return the row of a schedule that an operator keeps from firing."""
    return attrs.evolve(stored, paused=True)


def resumed(stored: StoredSchedule, definition: ScheduleConfig | None, now: datetime) -> StoredSchedule:
    """Return the row of a schedule that fires again: what it would have done meanwhile is left out."""
    at = stored.next_fire_at
    if definition is not None and (at is None or at <= now):
        at = next_fire(definition, now)
    return attrs.evolve(stored, paused=False, next_fire_at=at)


def released(stored: StoredSchedule, keys: Collection[str] | None) -> StoredSchedule:
    """Return the row with these keys' failures forgotten (None: all keys')."""
    kept = {} if keys is None else {key: n for key, n in stored.failures.items() if key not in keys}
    return attrs.evolve(stored, failures=kept)


ROW_REFUSED = "row_refused"
"""Code of the error of a run whose job the database has refused."""


def schedule_of(row: Mapping[str, Any]) -> StoredSchedule:
    """Read a row of ``sp00ky_schedule``."""
    read: dict[str, Any] = {field.name: row[field.name] for field in attrs.fields(StoredSchedule)}
    read |= {
        "definition": _parsed(read["definition"]) or {},
        "hash": read["hash"] or "",
        "seen": tuple(_parsed(read["seen"]) or ()),
        "origin": read["origin"] or "file",
        "revision": read["revision"] or 0,
        "paused": bool(read["paused"]),
        "removed": bool(read["removed"]),
        "failures": _parsed(read["failures"]) or {},
    }
    return StoredSchedule(**read)


def schedule_row(schedule: StoredSchedule) -> dict[str, Any]:
    """Write the row that a change makes: its ``revision`` is one more than the one it was decided on.

    ``paused`` and ``removed`` are 0 or 1, instants stay as they are.
    """
    return attrs.asdict(schedule, recurse=False) | {
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
    read: dict[str, Any] = {field.name: row[field.name] for field in attrs.fields(ScheduleRun)}
    try:
        read |= {"trigger": Trigger(row["trigger"]), "status": RunStatus(row["status"])}
    except ValueError as error:
        named = {name: row[name] for name in ("schedule", "fired_at", "key")}
        raise RunUnreadable(**named, problem=str(error)) from error
    return ScheduleRun(**read | {"error": _parsed(row["error"])})


def run_row(run: ScheduleRun) -> dict[str, Any]:
    """Write the row of a run; instants stay as they are."""
    error = None if run.error is None else json.dumps(dict(run.error))
    written = {"trigger": run.trigger.value, "status": run.status.value, "error": error}
    return attrs.asdict(run, recurse=False) | written


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
