"""Answer the calls of the port ``Schedules``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.errors import QueryRefused, StoreClosed, StoreError, StoreUnavailable
from sp00ky_core.job.job import Job
from sp00ky_core.ports import (
    MAX_ROWS,
    OPEN_RUN,
    RunQuery,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    Spawn,
)
from sp00ky_core.schedules.definition import run_of, schedule_of
from sp00ky_core.stores.transactional.connection.session import Access, Is, Session, Where
from sp00ky_core.stores.transactional.fleet.store import FleetStore
from sp00ky_core.stores.transactional.schedules.change import Changing, insert
from sp00ky_core.stores.transactional.schedules.definition import SCHEDULE_RUNS, SCHEDULES

__all__ = ["ScheduleStore"]

LATEST_FIRST = ("-fired_at", "-schedule", "-key")


class ScheduleStore(FleetStore):
    """The part of a ``TransactionalStore`` that keeps schedules; a base of it."""

    async def schedules(self) -> ScheduleSnapshot:
        """See ``Schedules.schedules``."""
        return await self._executor.read(_snapshot)

    async def change_schedule(self, change: ScheduleChange) -> Sequence[ScheduleRun] | None:
        """See ``Schedules.change_schedule``."""
        for each in change.spawns:
            self._of_backend(each.job.backend)
        work = partial(Changing, self._insert, change)
        runs = await self._executor.isolated(lambda apart: work(apart).write)
        if runs is not None:
            self._notifications.send(work=True)
        return runs

    async def _insert(self, session: Session, spawns: Sequence[Spawn]) -> Sequence[Job]:
        return await insert(session, spawns, self._backends)

    async def runs(self, query: RunQuery) -> list[ScheduleRun]:
        """See ``Schedules.runs``."""
        return await self._executor.read(partial(_runs, query=query))

    async def prune_runs(
        self, schedule: str, *, statuses: Collection[RunStatus], until: datetime, limit: int = 1_000
    ) -> list[str | None]:
        """See ``Schedules.prune_runs``."""
        where: list[Where] = [
            Is("schedule", "=", schedule),
            Is("status", "in", tuple(set(statuses).difference(OPEN_RUN))),
            Is("fired_at", "<", until),
        ]
        return await self._executor.write(partial(_prune, where=where, limit=limit))

    async def query_rows(self, query: str, *, limit: int = MAX_ROWS + 1) -> list[Mapping[str, Any]]:
        """See ``Schedules.query_rows``; where the database answers otherwise, an error is the query's."""
        try:
            try:
                return await self._query(query, limit)
            except StoreUnavailable:
                await self._executor.read(_now)
                return await self._query(query, limit)
        except StoreClosed:
            raise
        except StoreUnavailable as error:
            await self._executor.read(_now)
            raise self._refusal(error.problem) from error
        except StoreError as error:
            raise self._refusal(error.problem) from error
        except (NotImplementedError, TypeError, ValueError) as error:  # or a value that JSON doesn't have
            raise self._refusal(str(error)) from error

    async def _query(self, query: str, limit: int) -> list[Mapping[str, Any]]:
        rows = await self._executor.do(lambda session: session.query(query, limit), Access.QUERY)
        found = [decode(encode(row)) for row in rows]
        if not all(isinstance(row, dict) for row in found):
            raise TypeError("a row of it is no object")
        return found

    def _refusal(self, problem: str) -> QueryRefused:
        return QueryRefused(store=self.location, problem=f"the query is refused: {problem}")


async def _now(session: Session) -> datetime:
    return await session.now()


async def _snapshot(session: Session) -> ScheduleSnapshot:
    rows = await session.select(SCHEDULES, order=("name",))
    return ScheduleSnapshot(
        now=await session.now(), schedules={row["name"]: schedule_of(row) for row in rows}
    )


async def _runs(session: Session, query: RunQuery) -> list[ScheduleRun]:
    where: list[Where] = []
    for column, value in (("schedule", query.schedule), ("key", query.key)):
        where += [] if value is None else [Is(column, "=", value)]
    if len(query.statuses) == 1:
        where += [Is("status", "=", each) for each in query.statuses]
    elif query.statuses:
        where.append(Is("status", "in", tuple(query.statuses)))
    if query.job_ids is not None:
        where.append(Is("job_id", "in", tuple(query.job_ids)))
    rows = await session.select(SCHEDULE_RUNS, where, order=LATEST_FIRST, limit=query.limit)
    return [run_of(row) for row in rows]


async def _prune(session: Session, where: Sequence[Where], limit: int) -> list[str | None]:
    columns = (*SCHEDULE_RUNS.key, "job_id")
    options: dict[str, Any] = {"order": ("fired_at",), "limit": limit, "columns": columns, "lock": True}
    rows = await session.select(SCHEDULE_RUNS, where, **options)
    return [row["job_id"] for row in await session.take(SCHEDULE_RUNS, rows)]
