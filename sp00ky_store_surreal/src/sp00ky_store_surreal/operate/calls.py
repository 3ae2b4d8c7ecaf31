"""Answer the port's calls of operators, and those about runners, with the parts that do it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sp00ky_core.ports import (
    NO_INFO,
    Act,
    AuditEntry,
    ErrorGroup,
    JobTable,
    Reschedule,
    RunnerBeat,
    RunnerInfo,
    RunnerRecord,
)
from sp00ky_core.stores.operations import DecidingStore
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.fleet import heartbeat
from sp00ky_store_surreal.jobs.claim import Claimer
from sp00ky_store_surreal.jobs.claim_offset import Peers
from sp00ky_store_surreal.observe import error_groups
from sp00ky_store_surreal.operate import audit, pause, reschedule
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.schema.readiness import Readiness

__all__ = ["OperatedStore"]


class OperatedStore(DecidingStore):
    """A part of the store: what operators ask for, and what runners say of themselves."""

    _connection: Connection
    _ready: Readiness
    _tables: tuple[JobTable, ...]
    _changes: RowChanges
    _peers: Peers
    _claimer: Claimer

    @abstractmethod
    def _wake(self, ids: Iterable[str], *, work: bool) -> None: ...

    @abstractmethod
    def _of_backend(self, backend: str) -> JobTable: ...

    async def pause(
        self,
        backend: str,
        *,
        seconds: float | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> bool:
        """See ``Store.pause``."""
        self._of_backend(backend)
        await self._ready.ensure()
        is_new = await pause.pause(self._connection, backend, seconds=seconds, reason=reason, actor=actor)
        self._wake([], work=True)
        return is_new

    async def resume(self, backend: str) -> bool:
        """See ``Store.resume``."""
        self._of_backend(backend)
        await self._ready.ensure()
        was_paused = await pause.resume(self._connection, backend)
        self._wake([], work=True)
        return was_paused

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        await self._ready.ensure()
        beats = await heartbeat.beat(self._connection, runner_id, info)
        self._peers.seen(runner_id, beats)
        return beats

    async def runners(self) -> list[RunnerRecord]:
        """See ``Store.runners``."""
        await self._ready.ensure()
        return await heartbeat.runners(self._connection)

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Store.drain_runner``."""
        await self._ready.ensure()
        return await heartbeat.drain(self._connection, runner_id)

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Store.remove_runner``."""
        await self._ready.ensure()
        await heartbeat.remove(self._connection, runner_id)

    async def start_audit(self, act: Act) -> str:
        """See ``Store.start_audit``."""
        await self._ready.ensure()
        return await audit.start_audit(self._connection, act)

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Store.update_audit``."""
        await self._ready.ensure()
        await audit.update_audit(self._connection, entry_id, count=count, ended=ended)

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Store.audit``."""
        await self._ready.ensure()
        return await audit.audit(self._connection, since=since, limit=limit, after=after)

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        await self._ready.ensure()
        return await error_groups.errors(self._connection, self._tables, since=since, limit=limit)

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        await self._ready.ensure()
        done = await reschedule.reschedule(self._changes, job_ids, change)
        self._claimer.forget_heads()
        self._wake(done, work=bool(done))
        return dict.fromkeys(done)
