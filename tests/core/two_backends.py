"""An outbox of two backends in memory, and jobs of theirs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import JobQuery, Outbox
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Undelivered

SPEC = """\
openapi: 3.1.0
info: {title: api, version: "1"}
paths: {/a: {post: {}}, /b: {post: {}}}
"""


CONFIG = """\
store: memory://
backends:
  api: {spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}
  mail: {spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: mail}}
"""


FAILURE = Undelivered(name="http_status", code=500, reason="boo", retryable=False)


async def enqueued(outbox: Outbox, count: int, backend: str = "api", **fields: Any) -> list[str]:
    fields = {"path": "/a"} | fields
    return [job.id for job in await outbox.run_many(backend, [NewJob(**fields) for _ in range(count)])]


async def ended(outbox: Outbox, count: int, outcome: Any = FAILURE, **fields: Any) -> list[str]:
    ids = await enqueued(outbox, count, **fields)
    jobs = await outbox.store.claim({"api": count}, "r")
    assert {job.id for job in jobs} == set(ids)
    await outbox.store.settle([settlement(job, outcome) for job in jobs])
    return ids


async def statuses(outbox: Outbox, ids: Sequence[str]) -> set[str]:
    found = await outbox.store.find(JobQuery(ids=tuple(ids), limit=1_000))
    return {job.status.value for job in found}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Outbox]:
    (folder / "openapi.yml").write_text(SPEC)
    (folder / "sp00ky.yml").write_text(CONFIG)
    async with Outbox.open(folder / "sp00ky.yml") as outbox:
        yield outbox
