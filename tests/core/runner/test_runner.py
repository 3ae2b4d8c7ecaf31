"""What becomes of jobs while everything works."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from sp00ky_core.config import RetryConfig
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.ports import BackendStats, Settlement, SettleResult, StoreOptions
from sp00ky_core.stores.memory import MemoryStore

BROKEN = Undelivered(code=500, name="http_status", reason="Internal Server Error")


async def test_a_job_that_succeeds_at_once_has_no_retries_and_its_result(make_bench) -> None:
    bench = await make_bench(lambda _attempt: Delivered(result={"text": "boo"}))
    job = await bench.add(payload={"id": 7})
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, done.retries, done.errors, done.result) == (
        JobStatus.SUCCESS,
        0,
        (),
        {"text": "boo"},
    )
    assert (done.lease_until, done.runner_id, done.lease_epoch) == (None, None, 1)
    assert done.created_at == job.created_at
    assert done.updated_at > job.updated_at
    assert bench.transport.attempts[0].job.payload == {"id": 7}


async def test_a_failing_job_is_tried_once_and_then_max_retries_times(make_bench) -> None:
    bench = await make_bench(lambda _attempt: BROKEN)
    job = await bench.add(max_retries=3)
    async with bench.runner() as runner:
        done = await bench.ended(job)
    assert runner.runner_id.startswith("runner-under-test-")
    assert (done.status, done.retries) == (JobStatus.FAILED, 3)
    assert [attempt.number for attempt in bench.transport.attempts] == [1, 2, 3, 4]
    assert [attempt.last for attempt in bench.transport.attempts] == [False, False, False, True]
    assert [(error.attempt, error.code, error.name, error.runner_id) for error in done.errors] == [
        (n, 500, "http_status", runner.runner_id) for n in (1, 2, 3, 4)
    ]
    assert runner.failed == 1


async def test_a_status_in_give_up_on_is_not_retried(make_bench) -> None:
    bench = await make_bench(
        lambda _attempt: Undelivered(code=422, name="http_status"), give_up_on=frozenset({422})
    )
    job = await bench.add(max_retries=5)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, len(bench.transport.attempts)) == (JobStatus.FAILED, 1)


async def test_a_retry_waits_for_its_delay(make_bench) -> None:
    bench = await make_bench(
        lambda attempt: BROKEN if attempt.number == 1 else Delivered(), retry=RetryConfig(base=60, jitter=0)
    )
    job = await bench.add()
    async with bench.runner():
        waiting = await bench.until(job, lambda now: now.retries == 1)
    assert waiting.status is JobStatus.PENDING
    assert waiting.run_at - waiting.updated_at == timedelta(seconds=60)
    assert len(bench.transport.attempts) == 1


@pytest.mark.parametrize(
    ("overridable", "expected"), [(True, 120), (False, 10)], ids=["overridable", "not overridable"]
)
async def test_a_jobs_timeout_counts_only_where_it_may(
    make_bench, overridable: bool, expected: float
) -> None:
    bench = await make_bench(timeout_overridable=overridable)
    job = await bench.add(timeout=120)
    async with bench.runner():
        await bench.ended(job)
    assert bench.transport.attempts[0].timeout == expected


class RepliesLate(MemoryStore):
    """Its figures count an outcome whose write hasn't been answered yet."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self.written, self.counted = asyncio.Event(), asyncio.Event()

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await super().settle(settlements)
        self.written.set()
        await self.counted.wait()
        return results

    async def stats(self) -> dict[str, BackendStats]:
        await self.written.wait()
        stats = await super().stats()
        self.counted.set()
        return stats


async def test_until_empty_counts_what_is_written_and_not_answered_yet(make_bench) -> None:
    bench = await make_bench(lambda _: BROKEN)
    store = RepliesLate(StoreOptions(url="memory://", tables=bench.tables))
    runner = bench.runner(store)
    async with runner, asyncio.timeout(60):
        counting = asyncio.create_task(runner.until_empty())
        await asyncio.sleep(0)  # it looks at an empty queue
        await store.add([NewJob(path="/chat", backend="api", max_retries=0)])
        assert await counting == 1


async def test_a_runner_starts_once(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner() as runner:
        pass
    with pytest.raises(Sp00kyError, match="starts once"):
        await runner.start()


async def test_until_empty_waits_while_as_many_jobs_are_pending_as_are_processing(make_bench) -> None:
    bench = await make_bench()
    await bench.add()
    await bench.store.claim({"api": 1}, "another")
    await bench.add(delay=timedelta(hours=1))
    async with bench.runner() as runner:
        until_empty = asyncio.ensure_future(runner.until_empty())
        done, _ = await asyncio.wait([until_empty], timeout=0.1)
        assert not done
        until_empty.cancel()
