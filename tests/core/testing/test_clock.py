"""A clock that moves when a test says so."""

import pytest

from sp00ky_core.job import NewJob
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import FakeClock


async def test_a_fake_clock_drives_the_memory_store(fake_clock: FakeClock, memory_store: MemoryStore) -> None:
    store = MemoryStore(memory_store.options, now=fake_clock.now)
    await store.add([NewJob(path="/a", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    fake_clock.advance(39.9)
    assert await store.reclaim({}) == []
    fake_clock.advance(0.1)
    assert [each.job_id for each in await store.reclaim({})] == [job.id]
    assert fake_clock.monotonic() == 40
    with pytest.raises(ValueError, match="doesn't go back"):
        fake_clock.advance(-1)
