"""Runners that are cancelled at random moments: no job is lost, no task is left behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sp00ky_conformance.cancellation import CancelledRunners
from sp00ky_core.config import RetryConfig
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_store_sqlite import SqliteStore

SEED = 20_261


async def test_cancelled_runners_lose_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)  # meant faults are logged in hundreds
    table = JobTable(backend="api", table="job")
    store = SqliteStore(StoreOptions(url="sqlite:///jobs.db", tables=(table,), directory=tmp_path))
    await store.open()
    await store.migrate()
    outbox = outbox_over(store, [table], tmp_path, retry=RetryConfig(base=0))
    await CancelledRunners(outbox, seed=SEED, seconds=0.04).run(40)
    await store.close()
