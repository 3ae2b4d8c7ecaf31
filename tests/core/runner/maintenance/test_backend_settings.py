"""A running runner follows what operators set, and loses no job over it."""

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt


class Holding:
    """A backend that holds each request until it is let go."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.urls: Counter[str] = Counter()
        self._places = asyncio.Semaphore(0)

    async def __call__(self, attempt: Attempt) -> Outcome:
        self.in_flight += 1
        self.urls[attempt.backend.base_url] += 1
        await self._places.acquire()
        self.in_flight -= 1
        return Delivered()

    def let_go(self, count: int) -> None:
        for _ in range(count):
            self._places.release()

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.in_flight != count:  # noqa: ASYNC110  # nothing reports it
                await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sp00ky_core.runner.maintenance.backend_settings.EVERY", 0.01)


async def test_attempts_at_a_time_become_more_and_fewer_and_every_job_is_sent_once(make_bench: Any) -> None:
    backend = Holding()
    bench = await make_bench(backend, concurrency=2)
    jobs = [await bench.add() for _ in range(60)]
    async with bench.runner() as runner:
        await backend.holds(2)
        await bench.store.change_settings("api", {"concurrency": 9})
        await backend.holds(9)
        assert runner._info().slots == {"api": 9, "other": 2}
        await bench.store.change_settings("api", {"concurrency": 3})
        while runner._info().slots["api"] != 3:  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0.002)
        backend.let_go(6)
        await backend.holds(3)
        for _ in range(10):
            backend.let_go(2)
            await backend.holds(3)
        await bench.store.reset_settings("api")
        while runner._info().slots["api"] != 2:  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0.002)
        backend.let_go(1)
        await backend.holds(2)
        backend.let_go(60)
        for job in jobs:
            ended = await bench.ended(job)
            assert (ended.status, ended.lease_epoch, ended.errors) == (JobStatus.SUCCESS, 1, ())
    assert sum(backend.urls.values()) == 60


async def test_a_rate_by_the_day_is_forgotten_at_once(make_bench: Any) -> None:
    bench = await make_bench()
    await bench.store.change_settings("api", {"rate": "1/1d"})
    first, second = await bench.add(), await bench.add()
    async with bench.runner(poll=3_600.0):
        while not (await bench.store.get(first.id)).is_terminal:  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0.002)
        await bench.store.reset_settings("api")
        await bench.ended(second)


async def test_requests_go_where_the_file_allows_and_nowhere_else(
    make_bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Holding()
    backend.let_go(1_000)
    bench = await make_bench(backend, base_urls=("http://127.0.0.1:2",))
    await bench.store.change_settings("api", {"baseUrl": "http://evil.test", "timeout": 7})
    caplog.set_level(logging.INFO, "sp00ky_core.runner.maintenance.backend_settings")
    async with bench.runner() as runner:
        await bench.ended(await bench.add())
        assert runner._slots["api"].table.timeout == 7
        await asyncio.sleep(0.1)  # it looks again and again
        ignored, was_set = caplog.messages
        assert "baseUrl: expected one of the file's `baseUrls`" in ignored
        assert was_set == 'backend api is set to {"timeout": 7.0} at run time'
        await bench.store.change_settings("api", {"baseUrl": "http://127.0.0.1:2"})
        while runner._slots["api"].backend.config.base_url[-1] != "2":  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0.002)
        await bench.ended(await bench.add())
        await bench.store.reset_settings("api")
        while runner._slots["api"].backend.config.base_url[-1] != "1":  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0.002)
        assert caplog.messages[-1] == "backend api is as its file says again"
    assert backend.urls == {"http://127.0.0.1:1": 1, "http://127.0.0.1:2": 1}


async def test_what_can_not_be_read_is_said_once_and_ignored(
    make_bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await make_bench()
    await bench.store.change_settings("other", {"concurrency": "9" * 9_000})
    async with bench.runner():
        await asyncio.sleep(0.1)  # it looks again and again
    assert caplog.messages == [
        "backend other: what is set at run time is ignored: settings: it is over 8,192 bytes"
    ]
