"""Stores that are broken by a class of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import (
    Claim,
    ErrorGroup,
    JobTable,
    MigrationStep,
    Settlement,
    SettleResult,
)
from sp00ky_core.stores.ids import new_key, new_keys
from sp00ky_core.stores.transactional import Access, BlockingLane, Is, Row
from sp00ky_core.stores.transactional.jobs import (
    claim,
    enqueue,
    settle,
)
from sp00ky_core.stores.transactional.jobs.ordering import Rounds
from sp00ky_core.stores.transactional.operate import pause
from sp00ky_core.stores.transactional.rows import to_job
from sp00ky_core.stores.transactional.schema.definition import CONTROLS, job_table
from sp00ky_core.stores.transactional.schema.migrate import plan
from sp00ky_store_sqlite import SqliteStore


async def claimed_in_two(store: SqliteStore, slots: Mapping[str, int], runner: str) -> Claim:
    """Read what is due in one transaction and write it in another, without a guard."""
    jobs: list[Job] = []
    for backend, count in slots.items():
        jobs += await _claimed_in_two(store, store._backends[backend], count, runner)
    return Claim(jobs)


async def _claimed_in_two(store: SqliteStore, table: JobTable, count: int, runner: str) -> list[Job]:
    async def read(session: Any) -> list[Row]:
        claiming = claim.Claiming(slots={table: count}, runner_id=runner, refused=store._refused)
        return await claiming._due(session, table, count, await session.now())

    rows = await store._executor.read(read)
    await asyncio.sleep(0.001)
    return await _written(store, table, rows, runner)


async def _written(store: SqliteStore, table: JobTable, rows: Sequence[Row], runner: str) -> list[Job]:
    async def write(session: Any) -> list[Job]:
        until = await session.now() + timedelta(seconds=40)
        fields: dict[str, Any] = {"runner_id": runner, "lease_until": until}
        jobs = [attrs.evolve(to_job(table, row), **fields) for row in rows]
        for job, row in zip(jobs, rows, strict=True):
            values = {**fields, "status": "processing", "lease_epoch": job.lease_epoch + 1}
            await session.update(job_table(table.table), [Is("id", "=", row["id"])], values)
        return [attrs.evolve(job, lease_epoch=job.lease_epoch + 1) for job in jobs]

    return await store._executor.write(write)


class InTwoTransactions(SqliteStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        return await claimed_in_two(self, slots_by_backend, runner_id)


class ReadsClaimsAgain(SqliteStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        await asyncio.sleep(0.01)
        return Claim([await self.get(job.id) for job in claim])


class LockedInThisProcess(SqliteStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        async with LOCKS.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            return await claimed_in_two(self, slots_by_backend, runner_id)


LOCKS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""One for all stores of this process."""


class ForgetfulOfBeats(SqliteStore):
    async def _beats(self) -> Mapping[str, datetime]:
        return {}


class BeatenJustNow(SqliteStore):
    async def _beats(self) -> Mapping[str, datetime]:
        return {each: at + timedelta(microseconds=1) for each, at in (await super()._beats()).items()}


class LookedUpBefore(SqliteStore):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._looking = 0
        self._all_looked = asyncio.Event()

    async def _held(self, new_jobs: Sequence[NewJob]) -> Any:
        """Look keys up, and wait until every call that has begun has done so."""
        self._looking += 1
        held = await self._executor.read(partial(enqueue._held, tables=self._backends, new_jobs=new_jobs))
        self._looking -= 1
        if not self._looking:
            self._all_looked.set()
        await self._all_looked.wait()
        return held

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        held = await self._held(new_jobs)

        async def write(session: Any) -> list[Job]:
            keys = new_keys(len(new_jobs))
            jobs, added = enqueue._jobs(new_jobs, keys, held, self._backends, await session.now())
            for table, rows in added.items():
                await session.insert(job_table(table), rows)
            return jobs

        return await self._executor.write(write)


class Ephemeral(SqliteStore):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._path = self._path.with_name(f"{new_key()}.db")


class RowByRow(SqliteStore):
    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        jobs: list[Job] = []
        for each in new_jobs:
            jobs += await super().add([each], connection=connection)
        return jobs


class SettledRowByRow(SqliteStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results: list[SettleResult] = []
        for each in settlements:
            work = partial(settle.settle, tables=self._tables, settlements=[each], apart=False)
            results += await self._executor.write(work)
        return results


class Deaf(SqliteStore):
    async def changes(self) -> Any:
        for each in ():
            yield each


class WithoutConnections(SqliteStore):
    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        return await super().add(new_jobs)


class OneLane(SqliteStore):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._lanes[Access.BEAT] = self._lanes[Access.WRITE]


class PlannedBefore(SqliteStore):
    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        steps = await self._executor.read(lambda session: plan(session, self.options.tables, self.location))

        async def work(session: Any) -> list[MigrationStep]:
            for step in steps:
                await session.define(step.statement)
            return steps

        return await self._executor.write(work)


class ClaimOfAnother(SqliteStore):
    """Its claims have a connection of their own, and nobody waits for what is left of them."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._claims = BlockingLane(self._connect, "BEGIN IMMEDIATE")

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        slots = {self._backends[each]: count for each, count in slots_by_backend.items()}
        claiming = claim.Claiming(slots=slots, runner_id=runner_id, refused=self._refused)
        return await self._claims.run(claiming.claim)

    async def disconnect(self) -> None:
        await super().disconnect()
        await self._claims.close()


class Untranslated(SqliteStore):
    def translate(self, error: Exception) -> Exception:
        translated = super().translate(error)
        return translated if isinstance(translated, RowRefused) else error


class Lazy(SqliteStore):
    capabilities = attrs.evolve(
        SqliteStore.capabilities,
        transactions=False,
        exact_order=False,
        shared=False,
        durable=False,
        holds_any_row=False,
        signals_across_processes=False,
    )


class DeafWithoutTransactions(Deaf):
    capabilities = attrs.evolve(SqliteStore.capabilities, transactions=False)


class KeysInTwoTransactions(SqliteStore):
    """Its claims of jobs with a key are read in one transaction and written in another, without a guard."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        jobs: list[Job] = []
        for backend in slots_by_backend:
            table = self._backends[backend]

            async def read(session: Any, table: JobTable = table) -> list[Row]:
                heads = await Rounds().ready(session, table, await session.now(), ())
                where = [Is("id", "in", tuple(each["id"] for each in heads))]
                return list(await session.select(job_table(table.table), where))

            rows = await self._executor.read(read)
            await asyncio.sleep(0.001)
            jobs += await _written(self, table, rows, runner_id)
        return Claim(jobs)


class SilentPauses(Deaf):
    async def pause(self, backend: str, **options: Any) -> bool:
        return await self._executor.write(partial(pause.pause, backend=backend, **PAUSE | options))

    async def resume(self, backend: str) -> bool:
        return await self._executor.write(partial(pause.resume, backend=backend))


PAUSE = {"seconds": None, "reason": None, "actor": None}


class TokensBack(SqliteStore):
    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        released = await super().release(runner_id, keep=keep)

        async def work(session: Any) -> None:
            for row in await session.select(CONTROLS):
                tokens = {"tokens": (row["tokens"] or 0) + len(released)}
                await session.update(CONTROLS, [Is("backend", "=", row["backend"])], tokens)

        await self._executor.write(work)
        return released


class ErrorsOfAllTime(SqliteStore):
    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        return await super().errors(limit=limit)


def _decided(settlement: Settlement, **changes: Any) -> Settlement:
    return attrs.evolve(settlement, transition=attrs.evolve(settlement.transition, **changes))


class AtOnce(SqliteStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        return await super().settle(
            [each if each.is_own else _decided(each, delay=0.0) for each in settlements]
        )


class KeepsPriority(SqliteStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        return await super().settle([_decided(each, priority=None) for each in settlements])
