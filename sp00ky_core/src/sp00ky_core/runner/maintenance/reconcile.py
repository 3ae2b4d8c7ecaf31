"""Change schedules' rows under their guard, until they are what a file says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.errors import SchemaError, StoreError
from sp00ky_core.ports import (
    ScheduleChange,
    ScheduleRun,
    Schedules,
    ScheduleSnapshot,
    Store,
    StoredSchedule,
    needed,
)
from sp00ky_core.schedules.definition import defined, is_others, removed

TRIES = 50
"""How often a row that changes meanwhile is read again; runners change it at each fire."""

Decide = Callable[[StoredSchedule | None, datetime], StoredSchedule | None]
"""Decides, by the row and the database's time, how the row is to be; None: as it is."""


def schedules_of(store: Store) -> Schedules:
    """Return a store as one that keeps schedules. Raises ``CallUnsupported``."""
    return needed(store, Schedules, "schedules", "use a store that keeps them")


async def change(store: Store, name: str, decide: Decide, runs: Sequence[ScheduleRun] = ()) -> bool:
    """Change one row, and write these runs with it; whether it was written.

    Raises:
        StoreError: it couldn't be, for it changes all the time.
    """
    schedules = schedules_of(store)
    for _ in range(TRIES):
        snapshot = await schedules.schedules()
        stored = snapshot.schedules.get(name)
        wanted = decide(stored, snapshot.now)
        if wanted is None or (wanted == stored and not runs):
            return False
        if await schedules.change_schedule(ScheduleChange(schedule=wanted, runs=runs)) is not None:
            return True
    raise StoreError(store=store.location, problem=f"schedule {name!r} changes all the time; try again")


def tables_of(backends: Mapping[str, Backend]) -> dict[str, str]:
    """Return the job table of each backend, by its name."""
    return {name: backend.table.table for name, backend in backends.items()}


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
    wanted = _undefined(before, definitions, tables, origin=origin, only_new=only_new)
    return [name for name, decide in wanted.items() if await change(store, name, decide)]


def _undefined(
    snapshot: ScheduleSnapshot,
    definitions: Mapping[str, ScheduleConfig],
    tables: Mapping[str, str],
    *,
    origin: str = "file",
    only_new: bool = False,
) -> dict[str, Decide]:
    """Return the changes that make rows what definitions say, by name; nearly every start needs none."""
    wanted = {
        name: partial(
            defined,
            definition,
            origin=origin,
            job_table=tables.get(definition.backend),
            only_new=only_new,
        )
        for name, definition in definitions.items()
    }
    stored, now = snapshot.schedules, snapshot.now
    return {name: decide for name, decide in wanted.items() if decide(stored.get(name), now) is not None}


@attrs.frozen(kw_only=True)
class SyncResult:
    """The names of schedules that a sync has written.

    Attributes:
        defined: Added or changed.
        removed: No longer in the file.
    """

    defined: Sequence[str]
    removed: Sequence[str]


@attrs.frozen
class Sync:
    """Compares a file's schedules with those of the database.

    What another service has defined stays: one whose file doesn't have the backend, or has another job table
    for it.

    Attributes:
        store: Keeps them.
        definitions: The file's, by name.
        left_out: The file's that can't be read, which stay as they are.
        tables: The job tables of the file's backends, by their names.
    """

    store: Store
    definitions: Mapping[str, ScheduleConfig]
    left_out: Collection[str]
    tables: Mapping[str, str]

    async def plan(self) -> SyncResult:
        """Find what would change; all is to be defined where there are no tables yet."""
        try:
            snapshot = await schedules_of(self.store).schedules()
        except SchemaError:
            return SyncResult(defined=[*self.definitions], removed=[])
        undefined = _undefined(snapshot, self.definitions, self.tables)
        return SyncResult(defined=[*undefined], removed=self._superfluous(snapshot))

    async def apply(self) -> SyncResult:
        """Change it; return what was changed."""
        defined = await define(self.store, self.definitions, self.tables)
        superfluous = self._superfluous(await schedules_of(self.store).schedules())
        removed = [name for name in superfluous if await change(self.store, name, _removed)]
        return SyncResult(defined=defined, removed=removed)

    def _superfluous(self, snapshot: ScheduleSnapshot) -> list[str]:
        return [
            name
            for name, stored in snapshot.schedules.items()
            if not stored.removed and self._is_the_files(stored)
            if name not in self.definitions and name not in self.left_out
        ]

    def _is_the_files(self, stored: StoredSchedule) -> bool:
        table = self.tables.get(str(stored.definition.get("backend")))
        return stored.origin == "file" and table is not None and not is_others(stored, table)


def _removed(stored: StoredSchedule | None, _: datetime) -> StoredSchedule | None:
    return stored and removed(stored)
