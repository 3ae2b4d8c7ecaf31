"""Fire a schedule past the runner, on any store that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.job.job import NewJob
from sp00ky_schedules.model.fire import job_key
from sp00ky_schedules.model.records import (
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    Spawn,
    StoredSchedule,
)
from sp00ky_schedules.tables import ScheduleTables

NAME = "nightly"
KEYS = tuple(f"k{n}" for n in range(20))


async def define(store: ScheduleTables) -> None:
    """Make a schedule that has never fired."""
    schedule = StoredSchedule(name=NAME, definition={"every": 60}, hash="h")
    assert await store.change_schedule(ScheduleChange(schedule=schedule)) == []


def fire_of(snapshot: ScheduleSnapshot, keys: Sequence[str] = KEYS, **fields: Any) -> ScheduleChange:
    """Decide on a fire: a job for each key; ``fields`` are by key, of its job."""
    now = snapshot.now
    spawns = [
        Spawn(
            job=NewJob(**{"backend": "api", "path": "/spookify", "payload": {}, **fields.get(key, {})}),
            job_key=job_key(NAME, now, key),
            run=ScheduleRun(schedule=NAME, fired_at=now, key=key),
        )
        for key in keys
    ]
    after = attrs.evolve(snapshot.schedules[NAME], last_fired_at=now, next_fire_at=now)
    return ScheduleChange(schedule=after, spawns=spawns)
