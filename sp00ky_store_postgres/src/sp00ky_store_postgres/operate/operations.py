"""Answer operators' calls of the port with the module that its name says."""

from __future__ import annotations

from datetime import datetime

from sp00ky_core.ports import Act, AuditEntry, ErrorGroup, RunnerRecord
from sp00ky_store_postgres.jobs.heartbeat import Heartbeats
from sp00ky_store_postgres.observe.announcements import Announcements
from sp00ky_store_postgres.observe.errors import Errors
from sp00ky_store_postgres.operate.audit import Audit
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.schema.tables import Tables

__all__ = ["Operations"]


class Operations:
    """The part of the store that operators call."""

    _tables: Tables
    _pauses: Pauses
    _announcements: Announcements
    _heartbeats: Heartbeats
    _audit: Audit
    _errors: Errors

    async def pause(
        self,
        backend: str,
        *,
        seconds: float | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> bool:
        """See ``Store.pause``."""
        is_new = await self._pauses.pause(backend, seconds, reason, actor)
        await self._announcements.tables([self._tables.of(backend).table])
        return is_new

    async def resume(self, backend: str) -> bool:
        """See ``Store.resume``."""
        was_paused = await self._pauses.resume(backend)
        await self._announcements.tables([self._tables.of(backend).table])
        return was_paused

    async def runners(self) -> list[RunnerRecord]:
        """See ``Store.runners``."""
        return await self._heartbeats.runners()

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Store.drain_runner``."""
        return await self._heartbeats.drain(runner_id)

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Store.remove_runner``."""
        await self._heartbeats.remove(runner_id)

    async def start_audit(self, act: Act) -> str:
        """See ``Store.start_audit``."""
        return await self._audit.start(act)

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Store.update_audit``."""
        await self._audit.update(entry_id, count, ended=ended)

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Store.audit``."""
        return await self._audit.find(since, limit, after)

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        return await self._errors.read(since, limit)
