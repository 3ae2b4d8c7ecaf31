"""Fire a schedule past the runner; as ``python -m`` this module, race for its fires with other processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.job import NewJob
from sp00ky_core.ports import (
    JobTable,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    Spawn,
    StoredSchedule,
    StoreOptions,
)
from sp00ky_core.schedule.fire import job_key
from sp00ky_store_postgres import PostgresStore

NAME = "nightly"
KEYS = tuple(f"k{n}" for n in range(20))


async def define(store: PostgresStore) -> None:
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


async def race(url: str, until: int) -> int:
    """Fire until the schedule has this revision, against others; return how often this process did."""
    store, fired = PostgresStore(StoreOptions(url=url, tables=(JobTable(backend="api", table="job"),))), 0
    await store.open()
    while (snapshot := await store.schedules()).schedules[NAME].revision < until:
        fired += await store.change_schedule(fire_of(snapshot)) is not None
    await store.close()
    return fired


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(race(sys.argv[1], int(sys.argv[2])))))
