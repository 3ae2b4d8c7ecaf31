"""One table of the memory store."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import settlement, silent
from sp00ky_core.job import NewJob
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.memory.table import MemoryTable

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))

LATER = datetime(9999, 1, 1, tzinfo=UTC)


def job(**fields: Any) -> NewJob:
    return attrs.evolve(NewJob(path="/a", backend="api"), **fields)


async def test_a_claim_looks_at_no_more_rows_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(OPTIONS)
    await store.add([job()] * 1_000)
    ended = await store.claim({"api": 500}, "r")
    await store.settle([settlement(each, Delivered()) for each in ended])
    looks = 0
    look = MemoryTable._is_live

    def counted(table: MemoryTable, *entry: Any) -> bool:
        nonlocal looks
        looks += 1
        return look(table, *entry)

    monkeypatch.setattr(MemoryTable, "_is_live", counted)
    heap = len(store._tables["job"]._due[0])
    assert len(await store.claim({"api": 10}, "r")) == 10
    assert looks == 10
    assert heap - len(store._tables["job"]._due[0]) == 10


async def test_a_claim_looks_at_no_job_behind_the_first_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(OPTIONS)
    await store.add([job(ordering_key="one")] * 1_000 + [job(ordering_key="other"), job()])
    assert len(store._tables["job"]._due[0]) == 3
    assert len(await store.claim({"api": 10}, "r")) == 3
    assert await store.claim({"api": 10}, "r") == []
    assert await store.next_due(["api"]) is None


async def test_keys_whose_jobs_have_ended_leave_nothing() -> None:
    store = MemoryStore(OPTIONS)
    await store.add([job(ordering_key="one"), job(ordering_key="other")])
    claimed = await store.claim({"api": 10}, "r")
    await store.settle([settlement(each, Delivered()) for each in claimed])
    assert store._tables["job"]._ordering._keys == {}


async def test_a_row_that_changes_its_key_frees_the_old_one() -> None:
    store = MemoryStore(OPTIONS)
    first = store.write_row("job", {"path": "/a", "payload": {}, "ordering_key": "one"})
    (second,) = await store.add([job(ordering_key="one")])
    store.write_row("job", {"id": first, "path": "/a", "payload": {}, "run_at": LATER})
    assert [each.id for each in await store.claim({"api": 10}, "r")] == [second.id]


async def test_a_lost_job_is_due_after_its_lease_where_requests_are_counted() -> None:
    store = MemoryStore(
        attrs.evolve(OPTIONS, tables=(JobTable(backend="api", table="job", max_in_flight=2),))
    )
    await store.add([job()])
    (claimed,) = await store.claim({"api": 1}, "dead")
    await store.reclaim(silent("dead"))
    assert await store.claim({"api": 1}, "r") == []
    assert 30 < (await store.next_due(["api"]) or 0) <= 40
    await store.kill([claimed.id])
    assert await store.next_due(["api"]) is None
