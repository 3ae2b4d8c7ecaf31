"""Make the schedules what a file says: find what that changes, and change it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import attrs

from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import ScheduleSnapshot, Store, StoredSchedule
from sp00ky_core.schedule.definition import is_others, removed
from sp00ky_core.scheduler.compare_and_set import change, decide_definition, define, schedules_of
from sp00ky_core.scheduler.records import SyncResult

__all__ = ["Sync"]


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
        return SyncResult(defined=self._undefined(snapshot), removed=self._superfluous(snapshot))

    async def apply(self) -> SyncResult:
        """Change it; return what was changed."""
        defined = await define(self.store, self.definitions, self.tables)
        superfluous = self._superfluous(await schedules_of(self.store).schedules())
        removed = [name for name in superfluous if await change(self.store, name, _removed)]
        return SyncResult(defined=defined, removed=removed)

    def _undefined(self, snapshot: ScheduleSnapshot) -> list[str]:
        return [
            name
            for name, definition in self.definitions.items()
            if decide_definition(definition, snapshot.schedules.get(name), snapshot.now, self.tables)
        ]

    def _superfluous(self, snapshot: ScheduleSnapshot) -> list[str]:
        return [
            name
            for name, stored in snapshot.schedules.items()
            if not stored.removed and self._is_the_files(stored) and not self._is_in_the_file(name)
        ]

    def _is_in_the_file(self, name: str) -> bool:
        return name in self.definitions or name in self.left_out

    def _is_the_files(self, stored: StoredSchedule) -> bool:
        table = self.tables.get(str(stored.definition.get("backend")))
        return stored.origin == "file" and table is not None and not is_others(stored, table)


def _removed(stored: StoredSchedule | None, _: datetime) -> StoredSchedule | None:
    return None if stored is None or stored.removed else removed(stored)
