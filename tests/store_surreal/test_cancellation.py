"""Runners that are cancelled over an embedded database: no job is lost, no task is left behind."""

import logging
from pathlib import Path

from sp00ky_conformance.cancellation import CancelledRunners
from sp00ky_conformance.store.harness import settlement
from sp00ky_core.config import RetryConfig
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.transitions import clear
from sp00ky_core.testing.perform import outbox_over
from sp00ky_store_surreal import SurrealStore

SEED = 20_260
EMBEDDED = "mem://"
LONGEST = 0.04
"""Seconds until a runner is cancelled: about what it takes from its start to the end of a few jobs."""


async def use_every_connection(store: SurrealStore) -> None:
    """A server's connections are made when they are needed, and stay with the store."""
    await store.add([NewJob(path="/spookify", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    await store.settle([settlement(job, Delivered())])
    await clear(store, [job.id])
    await store.beat("r")
    await store.remove_runner("r")


async def test_cancelled_runners_lose_nothing(
    migrated: SurrealStore, url: str, tmp_path: Path, caplog
) -> None:
    caplog.set_level(logging.CRITICAL)  # meant faults are logged in hundreds
    outbox = outbox_over(
        migrated, [JobTable(backend="api", table="job")], tmp_path, retry=RetryConfig(base=0)
    )
    await use_every_connection(migrated)
    runners = CancelledRunners(outbox, seed=SEED, seconds=LONGEST)
    await runners.run(60 if url == EMBEDDED else 20)  # a round takes a server a second
