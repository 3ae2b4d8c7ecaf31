"""Change schedules' rows: read, decide, write under the guard, and again where another process was faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import cast

from sp00ky_core.config.schedules import ScheduleConfig, parse_schedule
from sp00ky_core.errors import ScheduleInvalid, StoreError
from sp00ky_core.ports import ScheduleChange, Schedules, Store, StoredSchedule
from sp00ky_core.schedule import defining

__all__ = ["change", "define", "definition_of", "remove_others", "schedules_of"]

TRIES = 50
"""How often a row that changes meanwhile is read again; runners change it at each fire."""

Decide = Callable[[StoredSchedule | None, datetime], StoredSchedule | None]
"""Decides, by the row and the database's time, how the row is to be; None: as it is."""


def schedules_of(store: Store) -> Schedules:
    """Return a store with ``capabilities.schedules`` as what it is too."""
    return cast("Schedules", store)


def definition_of(stored: StoredSchedule) -> ScheduleConfig | None:
    """Read a row's definition; None: a later version wrote it, or no outbox has."""
    try:
        return parse_schedule(stored.name, stored.definition)
    except ScheduleInvalid:
        return None


async def change(store: Store, name: str, decide: Decide) -> bool:
    """Change one row; whether it was written.

    Raises:
        StoreError: it couldn't be, for it changes all the time.
    """
    schedules = schedules_of(store)
    for _ in range(TRIES):
        snapshot = await schedules.schedules()
        wanted = decide(snapshot.schedules.get(name), snapshot.now)
        if wanted is None:
            return False
        if await schedules.change_schedule(ScheduleChange(schedule=wanted)) is not None:
            return True
    raise StoreError(store=store.location, problem=f"schedule {name!r} changes all the time; try again")


async def define(
    store: Store, definitions: Mapping[str, ScheduleConfig], *, origin: str = "file", only_new: bool = False
) -> list[str]:
    """Make the rows what definitions say; the names of those that were written. See ``defining.defined``."""
    before = await schedules_of(store).schedules()
    written = []
    for name, definition in definitions.items():

        def decide(
            stored: StoredSchedule | None, now: datetime, wanted: ScheduleConfig = definition
        ) -> StoredSchedule | None:
            old = None if stored is None else definition_of(stored)
            return defining.defined(wanted, stored, old, now=now, origin=origin, only_new=only_new)

        is_so = decide(before.schedules.get(name), before.now) is None  # as it is at nearly every start
        if not is_so and await change(store, name, decide):
            written.append(name)
    return written


async def remove_others(
    store: Store, definitions: Mapping[str, ScheduleConfig], backends: Iterable[str]
) -> list[str]:
    """Remove schedules of these backends that a file defined, and this one doesn't; their names.

    Others stay: another service with a file of its own may share the database.
    """
    own, removed = set(backends), []

    def decide(stored: StoredSchedule | None, _: datetime) -> StoredSchedule | None:
        return None if stored is None or stored.removed else defining.removed(stored)

    for name, stored in (await schedules_of(store).schedules()).schedules.items():
        is_ours = stored.origin == "file" and stored.definition.get("backend") in own
        if is_ours and name not in definitions and await change(store, name, decide):
            removed.append(name)
    return removed
