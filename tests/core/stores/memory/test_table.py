"""One table of the memory store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_conformance.store.harness import new_job
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


async def test_a_row_that_changes_its_key_frees_the_old_one() -> None:
    store = MemoryStore(OPTIONS)
    first = store.write_row("job", {"path": "/a", "payload": {}, "ordering_key": "one"})
    (second,) = await store.add([new_job(ordering_key="one")])
    store.write_row("job", {"id": first, "path": "/a", "payload": {}, "run_at": LATER})
    assert [claimed.id for claimed in await store.claim({"api": 10}, "r")] == [second.id]
