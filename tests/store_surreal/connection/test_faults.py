"""A runner over a server that is killed, frozen or cut off: every job is delivered, none of them twice."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt, JobTable, StoreOptions
from sp00ky_core.runner import RunnerOptions
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_core.testing.perform import ScriptedTransport
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection import reconnecting
from sp00ky_store_surreal.connection.websocket import SILENT_TICKS

TABLES = (JobTable(backend="api", table="job"),)
FULL = pytest.mark.slow
"""As large and as long as what was promised: minutes."""


class Work:
    """Jobs that a runner of this process delivers; a request takes some milliseconds."""

    def __init__(self, url: str, folder: Path, count: int) -> None:
        self.count = count
        self.transport = ScriptedTransport(self._deliver)
        self._begun = asyncio.Event()
        self._mark = 0
        self.store = SurrealStore(StoreOptions(url=url, tables=TABLES, directory=folder))
        self.outbox = outbox_over(self.store, TABLES, folder, concurrency=20)

    async def _deliver(self, _: Attempt) -> Outcome:
        if len(self.transport.attempts) >= self._mark:
            self._begun.set()
        await asyncio.sleep(random.uniform(0.001, 0.01))  # noqa: S311  # no secret
        return Delivered()

    async def begun(self, share: float) -> None:
        """Wait until a share of the jobs has been requested."""
        self._mark = int(self.count * share)
        if len(self.transport.attempts) < self._mark:
            self._begun.clear()
            await self._begun.wait()

    async def run(self, fault: Callable[[], Any]) -> None:
        """Deliver them all, with a fault meanwhile."""
        async with self.outbox:
            await self.store.migrate()
            for start in range(0, self.count, 100):
                size = min(100, self.count - start)
                await self.store.add([NewJob(path="/spookify", backend="api") for _ in range(size)])
            async with self.outbox.runner(RunnerOptions(poll=0.5), transport=self.transport) as runner:
                await fault()
                await runner.until_empty()
                assert (runner.succeeded, runner.failed, runner.in_flight) == (self.count, 0, 0)
            stats = (await self.store.stats())["api"]
        assert (stats.success, stats.pending, stats.processing, stats.failed) == (self.count, 0, 0, 0)
        requests = Counter(attempt.job.id for attempt in self.transport.attempts)
        assert (len(requests), max(requests.values())) == (self.count, 1)


@pytest.mark.parametrize("count", [300, pytest.param(5_000, marks=FULL)])
async def test_a_killed_server_that_comes_back_on_its_file(
    count: int, new_surreal_server: Any, tmp_path: Path
) -> None:
    server = new_surreal_server(f"surrealkv://{tmp_path / 'data'}")
    work = Work(server.url(), tmp_path, count)

    async def kill_it() -> None:
        await work.begun(0.4)
        server.kill()
        await asyncio.sleep(0.2)
        await asyncio.to_thread(server.start)

    await work.run(kill_it)


@pytest.mark.parametrize("count", [1_000])
async def test_fifty_cuts(count: int, proxy: Any, proxied_url: str, tmp_path: Path) -> None:
    work = Work(proxied_url, tmp_path, count)

    async def cut_it() -> None:
        for number in range(50):
            await work.begun(number / 60)
            proxy.cut()
            await asyncio.sleep(random.uniform(0, 0.03))  # noqa: S311  # no secret

    await work.run(cut_it)


@pytest.mark.parametrize(("count", "seconds"), [(300, 2.0), pytest.param(1_000, 20.0, marks=FULL)])
async def test_a_frozen_server(
    count: int, seconds: float, new_surreal_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = new_surreal_server()
    work = Work(server.url(), tmp_path, count)

    async def freeze_it() -> None:
        await work.begun(0.4)
        with monkeypatch.context() as patched:
            if seconds < reconnecting.TICK * SILENT_TICKS:
                patched.setattr(reconnecting, "TICK", 0.1)
                patched.setattr(reconnecting, "PATIENCE", 0.5)
            os.kill(server.process.pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(server.process.pid, signal.SIGCONT)

    await work.run(freeze_it)
