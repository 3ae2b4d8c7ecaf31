"""One table of the memory store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_conformance.store.harness import new_job, settlement
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory import MemoryStore, MemoryTable
from sp00ky_core.stores.transactional import Row

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))

LATER = datetime(9999, 1, 1, tzinfo=UTC)


async def looked_at(monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> int:
    """Claim ten jobs, and count the rows that it takes to find them."""
    looks = 0
    found = MemoryTable._found

    def counted(*arguments: Any) -> Iterator[Row]:
        nonlocal looks
        for row in found(*arguments):
            looks += 1
            yield row

    with monkeypatch.context() as patch:
        patch.setattr(MemoryTable, "_found", counted)
        assert len(await store.claim({"api": 10}, "r")) == 10
    return looks


@pytest.mark.parametrize("waiting", [new_job(), new_job(priority=2), new_job(ordering_key="one")])
async def test_a_claim_looks_at_no_more_rows_where_more_wait(
    monkeypatch: pytest.MonkeyPatch, waiting: NewJob
) -> None:
    looks = []
    for count in (20, 2_000):
        store = MemoryStore(OPTIONS)
        await store.add([waiting] * count + [new_job()] * 500)
        ended = await store.claim({"api": 5}, "r")
        await store.settle([settlement(job, Delivered()) for job in ended])
        looks.append(await looked_at(monkeypatch, store))
    assert looks[0] == looks[1]


async def test_a_row_that_changes_its_key_frees_the_old_one() -> None:
    store = MemoryStore(OPTIONS)
    first = store.write_row("job", {"path": "/a", "payload": {}, "ordering_key": "one"})
    (second,) = await store.add([new_job(ordering_key="one")])
    store.write_row("job", {"id": first, "path": "/a", "payload": {}, "run_at": LATER})
    assert [claimed.id for claimed in await store.claim({"api": 10}, "r")] == [second.id]
