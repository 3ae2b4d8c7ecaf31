"""One table of the memory store."""

from datetime import UTC, datetime

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory import MemoryStore

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))

LATER = datetime(9999, 1, 1, tzinfo=UTC)


async def test_a_row_that_changes_its_key_frees_the_old_one() -> None:
    store = MemoryStore(OPTIONS)
    first = store.write_row("job", {"path": "/a", "payload": {}, "ordering_key": "one"})
    (second,) = await store.add([new_job(ordering_key="one")])
    store.write_row("job", {"id": first, "path": "/a", "payload": {}, "run_at": LATER})
    assert [claimed.id for claimed in await store.claim({"api": 10}, "r")] == [second.id]
