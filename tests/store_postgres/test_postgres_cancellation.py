"""Runners that are cancelled while they wait for a real server: no job is lost, no task is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path
from typing import Any

from sp00ky_core.config import RetryConfig
from sp00ky_core.ports import JobTable
from sp00ky_core.testing.cancellation import CancelledRunners, turns
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connections import connect

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


async def test_callers_that_are_cancelled_while_they_connect_leave_nothing_behind() -> None:
    """Over TCP, where the driver asks for TLS first, of a server that says nothing and hangs up."""
    loop, complaints = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    for count in range(20):
        connecting = asyncio.create_task(connect(f"postgresql://u@127.0.0.1:{port}/app"))
        await turns(count)
        connecting.cancel()
        await asyncio.wait([connecting])
    async with asyncio.timeout(5):
        while left := asyncio.all_tasks() - before:
            await asyncio.wait(left)
    listening.close()
    gc.collect()
    assert complaints == []
