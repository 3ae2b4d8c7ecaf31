"""Fail in the calls that steer and show the fleet: pauses, runners, the audit, rollups, operators' wishes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, Unpack

from sp00ky_conformance.store.harness import WholeStore
from sp00ky_core.ports import (
    Act,
    ActOptions,
    AuditEntry,
    ErrorGroup,
    JobTable,
    Rollup,
    RollupQuery,
    RunnerRecord,
    SettingsRecord,
)

__all__ = ["FaultySteering"]

T = TypeVar("T")


class FaultySteering(ABC):
    """These calls of a store, each with its faults; a base of ``FaultyStore``."""

    _store: WholeStore

    @abstractmethod
    async def _call(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, unless it has a fault."""

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """See ``Pauses.pause``."""
        return await self._call("pause", lambda: self._store.pause(backend, seconds=seconds, **act))

    async def resume(self, backend: str) -> bool:
        """See ``Pauses.resume``."""
        return await self._call("resume", lambda: self._store.resume(backend))

    async def change_settings(self, backend: str, values: Mapping[str, Any], **options: Any) -> None:
        """See ``Settings.change_settings``."""
        change = partial(self._store.change_settings, backend, values, **options)
        return await self._call("change_settings", change)

    async def reset_settings(self, backend: str) -> bool:
        """See ``Settings.reset_settings``."""
        return await self._call("reset_settings", lambda: self._store.reset_settings(backend))

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """See ``Settings.settings``."""
        return await self._call("settings", self._store.settings)

    def use(self, table: JobTable) -> None:
        """See ``Settings.use``; no call of the database, so it has no faults."""
        self._store.use(table)

    async def runners(self) -> list[RunnerRecord]:
        """See ``Runners.runners``."""
        return await self._call("runners", self._store.runners)

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Runners.drain_runner``."""
        return await self._call("drain_runner", lambda: self._store.drain_runner(runner_id))

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Runners.remove_runner``."""
        await self._call("remove_runner", lambda: self._store.remove_runner(runner_id))

    async def start_audit(self, act: Act) -> str:
        """See ``Audit.start_audit``."""
        return await self._call("start_audit", lambda: self._store.start_audit(act))

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Audit.update_audit``."""
        await self._call("update_audit", lambda: self._store.update_audit(entry_id, count=count, ended=ended))

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Audit.audit``."""
        return await self._call("audit", lambda: self._store.audit(since=since, limit=limit, after=after))

    async def errors(self, **options: Any) -> list[ErrorGroup]:
        """See ``ErrorGroups.errors``."""
        return await self._call("errors", lambda: self._store.errors(**options))

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """See ``Rollups.write_rollups``."""
        return await self._call("write_rollups", lambda: self._store.write_rollups(rollups))

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Rollups.rollups``."""
        return await self._call("rollups", lambda: self._store.rollups(query))

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """See ``Rollups.fold_rollups``."""
        return await self._call("fold_rollups", lambda: self._store.fold_rollups(limit=limit))
