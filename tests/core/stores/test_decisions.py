"""Rows that change between being read and being written."""

from collections.abc import Collection
from typing import Any

import attrs

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.memory import MemoryStore

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


class Restless(MemoryStore):
    """Every row changes between the read and the write."""

    async def _lost(self, dead_runners: Collection[str], **guards: Any) -> list[Job]:
        found = await super()._lost(dead_runners, **guards)
        return [attrs.evolve(found[0], lease_epoch=99), *found[1:]]


async def test_reclaim_tells_only_of_what_was_written() -> None:
    store = Restless(OPTIONS)
    await store.add([new_job(), new_job()])
    claimed = await store.claim({"api": 2}, "r")
    written = await store.reclaim({"r": BEGINNING})
    assert [settlement.job_id for settlement in written] == [claimed[1].id]
