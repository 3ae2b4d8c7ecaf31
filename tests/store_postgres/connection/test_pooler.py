"""Behind PgBouncer in transaction mode: everything works but LISTEN, and that is noticed."""

import asyncio
import logging
from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import StoreError
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore, notifications


async def lifecycle(store: PostgresStore, new_job: Any) -> None:
    """A bit of everything, several times and at once."""
    for _ in range(8):
        await store.add([new_job(), new_job()])
        await store.add([new_job(dedup_key="k")])
        jobs = await store.claim({"api": 2}, "r1")
        results = await store.settle([settlement(job, Delivered()) for job in jobs])
        assert {result.fate for result in results} == {"settled"}
        await asyncio.gather(store.beat("r1"), store.stats(), store.find(JobQuery()), store.prune())


async def test_behind_a_pooler_everything_works(
    make: Any, pooler: str, dsn: str, schema: str, new_job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = make(base=pooler, schema=schema, pgbouncer="1", listen_url=dsn)
    await store.open()
    await store.migrate()
    assert await store.check() == []
    await lifecycle(store, new_job)
    signals = store.work_signal()
    await anext(signals)
    await store.add([new_job()])
    async with asyncio.timeout(60):
        await anext(signals)
    await signals.aclose()
    await store.close()


async def test_a_pooler_that_swallows_notifications_is_noticed(
    make: Any,
    pooler: str,
    schema: str,
    new_job: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifications, "PROOF_SECONDS", 2.0)
    store = make(base=pooler, schema=schema, pgbouncer="1")
    await store.open()
    await store.migrate()
    found = await store.check()
    assert [(finding.subject, finding.stops_jobs) for finding in found] == [("LISTEN", False)]
    assert "listen_url" in found[0].fix
    with caplog.at_level(logging.WARNING):
        signals = store.work_signal()
        async with asyncio.timeout(60):
            await anext(signals)
    assert "listen_url" in caplog.text
    await store.add([new_job()])
    async with asyncio.timeout(60):
        await anext(signals)
    await signals.aclose()
    await store.close()


async def test_a_pooler_that_nobody_has_told_of_is_a_line(make: Any, pooler: str, schema: str) -> None:
    with pytest.raises(StoreError, match=r"pooler in transaction mode, add \?pgbouncer=1"):
        await make(base=pooler, schema=schema).open()
