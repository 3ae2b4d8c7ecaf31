"""Answer the calls about what the whole fleet shares: pauses, runners, operators' acts, its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar, Unpack

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import (
    NO_INFO,
    Act,
    ActOptions,
    AuditEntry,
    ErrorGroup,
    JobTable,
    Rollup,
    RollupQuery,
    RunnerBeat,
    RunnerInfo,
    RunnerRecord,
    StoreOptions,
)
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.connection.executor import Executor
from sp00ky_core.stores.transactional.connection.primitives import Primitives
from sp00ky_core.stores.transactional.connection.session import Access
from sp00ky_core.stores.transactional.fleet import heartbeat
from sp00ky_core.stores.transactional.jobs.ordering import Rounds
from sp00ky_core.stores.transactional.jobs.retention import Cleared
from sp00ky_core.stores.transactional.observe import rollups as rollup_rows
from sp00ky_core.stores.transactional.observe.error_groups import error_groups
from sp00ky_core.stores.transactional.observe.notifications import Notifications
from sp00ky_core.stores.transactional.operate import audit, pause


class FleetStore(Primitives):
    """The part of a ``TransactionalStore`` that knows the fleet; a base of it.

    Attributes:
        executor: What does its work in transactions.
    """

    executor: ClassVar[type[Executor]] = Executor

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._tables = {table.table: table for table in options.tables}
        self._backends = {table.backend: table for table in options.tables}
        self._refused, self._rounds, self._cleared = Quarantine(), Rounds(), Cleared()
        self._executor = self.executor(self.run, self.translate, lambda: self.location, cancels=self.cancels)
        self._notifications = Notifications(
            self.changes, self._executor, options.tables, self._rounds.begin_again
        )

    @property
    def _delivered(self) -> tuple[JobTable, ...]:
        """The tables whose jobs runners deliver."""
        return tuple(table for table in self.options.tables if table.delivered)

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """See ``Pauses.pause``."""
        self._of_backend(backend)
        work = partial(pause.pause, backend=backend, seconds=seconds, **act)
        begun = await self._executor.write(work)
        self._notifications.send(work=True)
        return begun

    async def resume(self, backend: str) -> bool:
        """See ``Pauses.resume``."""
        self._of_backend(backend)
        ended = await self._executor.write(partial(pause.resume, backend=backend))
        self._notifications.send(work=True)
        return ended

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        work = partial(heartbeat.beat, runner_id=runner_id, info=info)
        return await self._executor.do(work, Access.BEAT)

    async def runners(self) -> list[RunnerRecord]:
        """See ``Runners.runners``."""
        return await self._executor.read(heartbeat.runners)

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Runners.drain_runner``."""
        return await self._executor.do(partial(heartbeat.drain, runner_id=runner_id), Access.BEAT)

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Runners.remove_runner``."""
        await self._executor.do(partial(heartbeat.remove, runner_id=runner_id), Access.BEAT)

    async def start_audit(self, act: Act) -> str:
        """See ``Audit.start_audit``."""
        return await self._executor.write(partial(audit.start, act=act))

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Audit.update_audit``."""
        await self._executor.write(partial(audit.update, entry_id=entry_id, count=count, ended=ended))

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Audit.audit``."""
        return await self._executor.read(partial(audit.entries, since=since, limit=limit, after=after))

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """See ``ErrorGroups.errors``."""
        return await error_groups(self._executor.read, self.options.tables, since, limit)

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """See ``Rollups.write_rollups``."""
        return await self._executor.write(partial(rollup_rows.write, rollups=rollups))

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Rollups.rollups``."""
        return await self._executor.read(partial(rollup_rows.read, query=query))

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """See ``Rollups.fold_rollups``."""
        return await self._executor.write(partial(rollup_rows.fold, limit=limit))

    def _of_backend(self, backend: str) -> JobTable:
        try:
            return self._backends[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._backends)) from None
