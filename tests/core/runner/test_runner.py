"""What becomes of jobs while everything works."""

import asyncio
from datetime import timedelta

import pytest

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Undelivered

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
