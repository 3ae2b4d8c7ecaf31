"""``claim``, ``add``, ``migrate`` and ``work_signal`` in several real processes at once."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio

import attrs

from sp00ky_conformance.store.connection.other_process import members
from sp00ky_conformance.store.harness import API, PATIENCE, RUNNER, WHILE, StoreHarness, where
from sp00ky_conformance.store.observe.signals_and_watch import calmed
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobQuery, Store, StoreOptions

__all__ = ["ProcessConformance"]

PROCESSES = 2
STARTUP = 60.0
"""Seconds in which a process starts, works and ends, on whatever machine."""


class ProcessConformance(StoreHarness):
    """``capabilities.shared``: several processes work on one database."""

    async def without_shared(self, store: Store) -> None:
        """Assert that a store which only one process can have hears no other."""
        assert not store.capabilities.signals_across_processes

    @where("shared")
    async def test_processes_share_a_queue(self, store: Store, options: StoreOptions) -> None:
        added = await self.add(store, 300)
        async with asyncio.timeout(STARTUP), members(self, options, "claim", PROCESSES) as others:
            for n, other in enumerate(others):
                await other.go(runner=f"runner-{n}", slots=3)
            taken = [pair for other in others for pair in await other.result()]
        assert len(taken) == len(set(taken)), "two processes have claimed the same job"
        assert sorted(job_id for job_id, _ in taken) == sorted(job.id for job in added)
        assert {epoch for _, epoch in taken} == {1}

    @where("shared")
    async def test_a_key_counts_once_among_processes(self, store: Store, options: StoreOptions) -> None:
        keys = [f"k{n}" for n in range(40)]
        async with asyncio.timeout(STARTUP), members(self, options, "add", PROCESSES) as others:
            for other in others:
                await other.go(keys=keys)
            ids = [await other.result() for other in others]
        assert all(id_ == ids[0] for id_ in ids), "one key has led to two jobs"
        assert len(await store.find(JobQuery(limit=1_000))) == len(keys)

    @where("shared")
    async def test_processes_migrate_at_once(self, options: StoreOptions) -> None:
        async with asyncio.timeout(STARTUP), members(self, options, "migrate", PROCESSES) as others:
            for other in others:
                await other.go()
            steps = [await other.result() for other in others]
        assert any(steps)
        async with self.opened(options) as store:
            assert await store.migrate() == []
            await self.claimed(store)

    @where("shared")
    async def test_stores_migrate_at_once(self, options: StoreOptions) -> None:
        for n in range(5):
            tables = tuple(attrs.evolve(table, table=f"{table.table}_{n}") for table in options.tables)
            stores = [self.make_store(attrs.evolve(options, tables=tables)) for _ in range(4)]
            for store in stores:
                await store.open()
            try:
                await asyncio.gather(*(store.migrate() for store in stores))
                assert await stores[0].migration() == []
            finally:
                for store in stores:
                    await store.close()

    @where("shared")
    async def test_another_processes_job_sends_the_signal(self, store: Store, options: StoreOptions) -> None:
        """It sends none where signals don't cross processes."""
        crosses = store.capabilities.signals_across_processes
        signal = store.work_signal()
        async with asyncio.timeout(STARTUP + PATIENCE), members(self, options, "add") as (other,):
            waiting = await calmed(signal)  # what it begins with tells of no job
            await other.go(keys=[None])
            await other.result()
            done, _ = await asyncio.wait([waiting], timeout=PATIENCE if crosses else 2 * WHILE)
        waiting.cancel()
        await asyncio.wait([waiting])
        await signal.aclose()
        assert bool(done) is crosses, f"capabilities.signals_across_processes = {crosses} isn't so"
        assert len(await self.claim(store)) == 1

    @where("shared")
    async def test_what_a_killed_process_has_settled_is_there(
        self, store: Store, options: StoreOptions
    ) -> None:
        async with asyncio.timeout(STARTUP), members(self, options, "settle_and_die") as (other,):
            await other.go(runner=RUNNER)
            job_id = await other.result()
        job = await store.get(job_id)
        assert (job.status, job.result) == (JobStatus.SUCCESS, "written")
        assert (await store.stats())[API].success == 1
