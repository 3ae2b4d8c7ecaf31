"""An outbox over a store of a test's own, without a sp00ky.yml."""

from __future__ import annotations

from pathlib import Path

import pytest

from sp00ky_core.errors import UnknownRoute
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing.outboxes import outbox_over


async def test_its_backends_are_those_of_the_tables(
    memory_store: MemoryStore, job_tables: tuple[JobTable, ...], tmp_path: Path
) -> None:
    outbox = outbox_over(memory_store, job_tables, tmp_path, paths=["/a"], timeout=3.0)
    async with outbox:
        job = await outbox.run("api", "/a", {"n": 1})
        assert await memory_store.get(job.id) == job
        with pytest.raises(UnknownRoute):
            await outbox.run("api", "/spookify")
    assert outbox.backends["api"].config.timeout == 3.0
    assert outbox.backends["api"].table is job_tables[0]
