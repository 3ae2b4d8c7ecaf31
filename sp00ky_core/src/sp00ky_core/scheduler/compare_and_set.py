"""Change schedules' rows: read, decide, write under the guard, and again where another process was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sp00ky_core.backend import Backend
from sp00ky_core.config.schedules import ScheduleConfig, parse_schedule
from sp00ky_core.errors import ScheduleInvalid, StoreError
from sp00ky_core.ports import ScheduleChange, ScheduleRun, Schedules, Store, StoredSchedule, needed
from sp00ky_core.schedule.definition import defined

__all__ = ["change", "decide_definition", "define", "definition_of", "schedules_of", "tables_of"]

TRIES = 50
"""How often a row that changes meanwhile is read again; runners change it at each fire."""

Decide = Callable[[StoredSchedule | None, datetime], StoredSchedule | None]
"""Decides, by the row and the database's time, how the row is to be; None: as it is."""


def schedules_of(store: Store) -> Schedules:
    """Return a store as one that keeps schedules. Raises ``CallUnsupported``."""
    return needed(store, Schedules, "schedules", "use a store that keeps them")


def definition_of(stored: StoredSchedule) -> ScheduleConfig | None:
    """Read a row's definition; None: a later version wrote it, or no outbox has."""
    try:
        return parse_schedule(stored.name, stored.definition)
    except ScheduleInvalid:
        return None


async def change(store: Store, name: str, decide: Decide, runs: Sequence[ScheduleRun] = ()) -> bool:
    """Change one row, and write these runs with it; whether it was written.

    Raises:
        StoreError: it couldn't be, for it changes all the time.
    """
    schedules = schedules_of(store)
    for _ in range(TRIES):
        snapshot = await schedules.schedules()
        wanted = decide(snapshot.schedules.get(name), snapshot.now)
        if wanted is None:
            return False
        if await schedules.change_schedule(ScheduleChange(schedule=wanted, runs=runs)) is not None:
            return True
    raise StoreError(store=store.location, problem=f"schedule {name!r} changes all the time; try again")


def tables_of(backends: Mapping[str, Backend]) -> dict[str, str]:
    """Return the job table of each backend, by its name."""
    return {name: each.table.table for name, each in backends.items()}


def decide_definition(
    definition: ScheduleConfig,
    stored: StoredSchedule | None,
    now: datetime,
    tables: Mapping[str, str],
    *,
    origin: str = "file",
    only_new: bool = False,
) -> StoredSchedule | None:
    """Decide how a row is to be; None: as it is. See ``defined``."""
    before = None if stored is None else definition_of(stored)
    table = tables.get(definition.backend)
    return defined(definition, stored, before, now=now, origin=origin, job_table=table, only_new=only_new)


async def define(
    store: Store,
    definitions: Mapping[str, ScheduleConfig],
    tables: Mapping[str, str],
    *,
    origin: str = "file",
    only_new: bool = False,
) -> list[str]:
    """Make the rows what definitions say; the names of those that were written.

    Args:
        store: Keeps them.
        definitions: By name.
        tables: The job tables of the backends that are known here, by their names.
        origin: Who defines them.
        only_new: As a runner's start does, see ``defined``.
    """
    before = await schedules_of(store).schedules()
    written = []
    for name, definition in definitions.items():
        decide = partial(_decide, definition=definition, tables=tables, origin=origin, only_new=only_new)
        is_so = decide(before.schedules.get(name), before.now) is None  # as it is at nearly every start
        if not is_so and await change(store, name, decide):
            written.append(name)
    return written


def _decide(stored: StoredSchedule | None, now: datetime, **wanted: Any) -> StoredSchedule | None:
    return decide_definition(stored=stored, now=now, **wanted)
