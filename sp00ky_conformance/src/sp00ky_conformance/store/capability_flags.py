"""``capabilities``: what the flags say is checked, not believed, in both directions."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from sp00ky_conformance.store.connection.processes import STARTUP
from sp00ky_conformance.store.harness import API, StoreHarness, new_job, where
from sp00ky_conformance.store.observe.hostile import HOSTILE_ROWS
from sp00ky_core.errors import OptionInvalid, RowRefused, Sp00kyError
from sp00ky_core.ports import JobQuery, Store, StoreOptions

__all__ = ["FlagConformance"]


@attrs.frozen
class _Claimed:
    """One claim: when it began and ended, and the due times that it took."""

    began: int
    ended: int
    due: list[datetime]


class FlagConformance(StoreHarness):
    """A flag that promises too much is found out, and so is one that hides what the store can do."""

    async def test_a_store_is_shared_where_it_says_so(self, store: Store, options: StoreOptions) -> None:
        shared = store.capabilities.shared
        (job,) = await self.add(store)
        assert await self._is_seen(options, job.id) is shared, f"capabilities.shared = {shared} isn't so"

    async def test_a_store_is_durable_where_it_says_so(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            (job,) = await self.add(store)
        durable = store.capabilities.durable
        assert await self._is_seen(options, job.id) is durable, f"capabilities.durable = {durable} isn't so"

    async def test_what_is_no_connection_is_refused(self, store: Store) -> None:
        with pytest.raises(OptionInvalid, match="connection"):
            await store.add([new_job()], connection=object())
        assert await store.find(JobQuery()) == []

    @where("transactions")
    async def test_a_connection_is_taken_where_it_says_so(self, store: Store) -> None:
        async with self.transaction(store) as connection:
            assert len(await store.add([new_job()], connection=connection)) == 1

    async def test_a_store_holds_any_row_where_it_says_so(self, store: Store, options: StoreOptions) -> None:
        taken = 0
        for fields, _ in HOSTILE_ROWS.values():
            with suppress(RowRefused):
                await self.write_row(store, options.tables[0].table, fields)
                taken += 1
        holds = store.capabilities.holds_any_row
        assert bool(taken) is holds, f"capabilities.holds_any_row = {holds} isn't so"

    async def test_a_store_has_statements_where_it_says_so(self, store: Store) -> None:
        statements = store.capabilities.statements
        assert hasattr(store, "statement") is statements, f"capabilities.statements = {statements} isn't so"

    async def test_an_exact_order_is_kept_while_runners_compete(self, store: Store) -> None:
        """Every job is claimed once, also where the order isn't exact."""
        begin = datetime(2020, 1, 1, tzinfo=UTC)
        await store.add([new_job(run_at=begin + timedelta(seconds=n * 7 % 120)) for n in range(120)])
        claims: list[_Claimed] = []
        ticks = iter(range(10_000))

        async def compete(runner: str) -> None:
            while True:
                began = next(ticks)
                jobs = await store.claim({API: 4}, runner)
                if not jobs:
                    return
                due = [job.run_at for job in jobs if job.run_at is not None]
                claims.append(_Claimed(began, next(ticks), due))
                await asyncio.sleep(0)

        async with asyncio.timeout(STARTUP):
            await asyncio.gather(*(compete(f"runner-{n}") for n in range(4)))
        late = [
            (one, other)
            for one in claims
            for other in claims
            if one.ended < other.began and max(one.due) > min(other.due)
        ]
        assert sum(len(claim.due) for claim in claims) == 120
        assert late == [] or not store.capabilities.exact_order, (
            "a later claim got an older job: say exact_order = False"
        )

    async def _is_seen(self, options: StoreOptions, job_id: str) -> bool:
        """Whether another store of the same tables knows the job."""
        other = self.make_store(options)
        try:
            await other.open()
            await other.migrate()
            await other.get(job_id)
        except Sp00kyError:  # no such job, or another store has the database
            return False
        else:
            return True
        finally:
            await other.close()
