"""Jobs that stay in this process: a store that outlives a command, and what fills it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import JobQuery, Outbox, hookimpl
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Undelivered
from sp00ky_core.ports import StoreOptions
from sp00ky_store_kit.memory import MemoryStore

FAILURE = Undelivered(name="http_status", code=500, reason="boo", retryable=False)
NOTHING = {"duplicate": 0, "illegal": 0}


class Shelf:
    """A store whose jobs outlive a command: ``shelf://``."""

    def __init__(self) -> None:
        self.store: MemoryStore | None = None

    def make(self, options: StoreOptions) -> MemoryStore:
        self.store = self.store or MemoryStore(options)
        return self.store

    @hookimpl
    def sp00ky_register_stores(self) -> dict[str, Any]:
        return {"shelf": self.make}

    def all(self) -> dict[str, Job]:
        """Every job by its id."""

        async def find() -> list[Job]:
            assert self.store is not None
            await self.store.open()
            return await self.store.find(JobQuery(limit=1_000))

        return {job.id: job for job in asyncio.run(find())}

    def statuses(self, ids: list[str]) -> list[str]:
        found = self.all()
        return [found[id_].status.value if id_ in found else "gone" for id_ in ids]


Work = Callable[[Outbox], Coroutine[Any, Any, Any]]


def within(work: Work) -> Any:
    async def run() -> Any:
        async with Outbox.open() as outbox:
            return await work(outbox)

    return asyncio.run(run())


def enqueued(count: int, path: str = "/json", **options: Any) -> list[str]:
    """Jobs that wait, the oldest first."""

    async def work(outbox: Outbox) -> list[str]:
        return [(await outbox.run("api", path, **options)).id for _ in range(count)]

    return list(within(work))


def ended(count: int, outcome: Any = FAILURE, path: str = "/json", **options: Any) -> list[str]:
    """Jobs that have ended; nothing else may be waiting."""
    ids = enqueued(count, path, **options)

    async def work(outbox: Outbox) -> None:
        jobs = await outbox.store.claim({"api": count}, "r")
        assert {job.id for job in jobs} == set(ids)
        await outbox.store.settle([settlement(job, outcome) for job in jobs])

    within(work)
    return ids
