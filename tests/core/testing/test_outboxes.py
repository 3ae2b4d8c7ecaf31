"""An outbox over a store of a test's own, without a sp00ky.yml."""

from __future__ import annotations

from pathlib import Path

import pytest

from sp00ky_core.errors import UnknownRoute
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing.outboxes import memory_outbox, outbox_over


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


async def test_in_memory_it_is_ready_and_has_no_limits(sp00ky_config: Path) -> None:
    outbox = memory_outbox(sp00ky_config)
    jobs = [await outbox.run("api", "/spookify") for _ in range(3)]
    assert len(await outbox.store.claim({"api": 3}, "r")) == 3
    async with outbox:
        assert len(await outbox.find()) == len(jobs)
