"""What the memory store has of its own, and what every store inherits of `DecidingStore`."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest

from sp00ky_core.errors import OptionInvalid, StoreError, UnknownBackend
from sp00ky_core.ids import key_at, new_key, new_keys, table_of
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobQuery, JobTable, OperatorFate, StoreOptions
from sp00ky_core.stores.deciding import TRIES
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.stores.memory_table import MemoryTable
from sp00ky_core.stores.plugin import sp00ky_register_stores
from sp00ky_core.stores.selecting import BEGINNING
from sp00ky_core.testing.conformance.harness import settlement

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


def job(**fields: Any) -> NewJob:
    return attrs.evolve(NewJob(path="/a", backend="api"), **fields)


async def test_two_transactions_that_wait_for_each_other_are_told(memory_store: MemoryStore) -> None:
    async with memory_store.transaction() as one:
        await memory_store.add([job(dedup_key="k")], connection=one)
        async with memory_store.transaction() as other:
            await memory_store.add([job(dedup_key="l")], connection=other)
            waiting = asyncio.ensure_future(memory_store.add([job(dedup_key="k")], connection=other))
            await asyncio.sleep(0)
            with pytest.raises(StoreError, match="wait for each other"):
                await memory_store.add([job(dedup_key="l")], connection=one)
            one.rollback()
            (added,) = await waiting
    assert added.id in {each.id for each in await memory_store.find(JobQuery())}


async def test_an_ended_transaction_takes_no_jobs(memory_store: MemoryStore) -> None:
    async with memory_store.transaction() as transaction:
        pass
    with pytest.raises(OptionInvalid):
        await memory_store.add([job()], connection=transaction)


async def test_an_unknown_backend_is_named(memory_store: MemoryStore) -> None:
    with pytest.raises(UnknownBackend, match="did you mean 'api'"):
        await memory_store.claim({"apis": 1}, "r")


async def test_a_claim_looks_at_no_more_rows_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(OPTIONS)
    await store.add([job()] * 1_000)
    ended = await store.claim({"api": 500}, "r")
    await store.settle([settlement(each, Delivered()) for each in ended])
    looks = 0
    look = MemoryTable.next_due

    def counted(table: MemoryTable) -> datetime | None:
        nonlocal looks
        looks += 1
        return look(table)

    monkeypatch.setattr(MemoryTable, "next_due", counted)
    heap = len(store._tables["job"]._due)
    assert len(await store.claim({"api": 10}, "r")) == 10
    assert looks == 10
    assert heap - len(store._tables["job"]._due) == 10


class Restless(MemoryStore):
    """Every row changes between the read and the write."""

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        return [attrs.evolve(each, lease_epoch=each.lease_epoch - 1) for each in await super()._load(job_ids)]

    async def _lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        found = await super()._lost(dead_runners, limit)
        return [attrs.evolve(found[0], lease_epoch=99), *found[1:]]


async def test_a_row_that_keeps_changing_is_reported() -> None:
    store = Restless(OPTIONS)
    one, two = await store.add([job(), job()])
    results = await store.kill([one.id, "job:none", two.id, one.id])
    changed = OperatorFate.CHANGED
    assert [each.fate for each in results] == [changed, OperatorFate.NOT_FOUND, changed, changed]
    assert [each.status for each in await store.find(JobQuery())] == [JobStatus.PENDING] * 2


async def test_a_row_that_changes_a_few_times_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(OPTIONS)
    (added,) = await store.add([job()])
    load, reads = store._load, 0

    async def stale(job_ids: Sequence[str]) -> list[Job]:
        nonlocal reads
        reads += 1
        return [
            attrs.evolve(each, lease_epoch=each.lease_epoch - (reads < TRIES)) for each in await load(job_ids)
        ]

    monkeypatch.setattr(store, "_load", stale)
    (result,) = await store.kill([added.id])
    assert (result.fate, reads) == (OperatorFate.KILLED, TRIES)


async def test_reclaim_tells_only_of_what_was_written() -> None:
    store = Restless(OPTIONS)
    await store.add([job(), job()])
    claimed = await store.claim({"api": 2}, "r")
    written = await store.reclaim({"r": BEGINNING})
    assert [each.job_id for each in written] == [claimed[1].id]


def test_ids_sort_by_age_and_are_uuids() -> None:
    made = [UUID(hex=key) for key in (*(new_key() for _ in range(500)), *new_keys(10_000), new_key())]
    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    now = datetime.now(UTC).timestamp() * 1_000
    assert abs((made[0].int >> 80) - now) < 60_000
    assert new_keys(0) == []
    assert key_at(4_096 + 4_095, 2**64 - 1) == "0000000000017fffbfffffffffffffff"
    assert key_at((2**48 - 1) * 4_096, 0) == "ffffffffffff70008000000000000000"
    assert [table_of(each) for each in ("job:1", "job:", "job", "")] == ["job", "job", "", ""]


def test_the_plugin_registers_the_scheme() -> None:
    assert sp00ky_register_stores() == {"memory": MemoryStore}
