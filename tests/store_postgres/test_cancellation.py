"""Runners that are cancelled while they wait for a real server: no job is lost, no task is left behind."""

import logging
from pathlib import Path

from sp00ky_conformance.cancellation import CancelledRunners
from sp00ky_core.config import RetryConfig
from sp00ky_core.ports import JobTable
from sp00ky_core.testing.perform import outbox_over
from sp00ky_store_postgres import PostgresStore

SEED = 20_260

LONGEST = 0.04
"""Seconds until a runner is cancelled: about what it takes from its start to the end of a few jobs."""


async def test_cancelled_runners_lose_nothing(
    store: PostgresStore, table: JobTable, tmp_path: Path, caplog
) -> None:
    caplog.set_level(logging.CRITICAL)  # meant faults are logged in hundreds
    outbox = outbox_over(store, [table], tmp_path, retry=RetryConfig(base=0))
    runners = CancelledRunners(outbox, seed=SEED, seconds=LONGEST)
    await runners.run(60)
