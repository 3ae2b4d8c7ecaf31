"""What becomes of jobs while everything works."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from sp00ky_core.config import RetryConfig
from sp00ky_core.job import JobStatus
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt

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


async def test_a_retry_that_succeeds_keeps_the_errors_before_it(make_bench) -> None:
    bench = await make_bench(lambda attempt: BROKEN if attempt.number < 3 else Delivered())
    job = await bench.add()
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, done.retries, len(done.errors)) == (JobStatus.SUCCESS, 2, 2)


async def test_a_job_without_retries_is_requested_once(make_bench) -> None:
    bench = await make_bench(lambda _attempt: BROKEN)
    job = await bench.add(max_retries=0)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, done.retries, len(bench.transport.attempts)) == (JobStatus.FAILED, 0, 1)


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


async def test_a_delayed_job_starts_when_it_is_due_long_before_the_poll(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner(poll=3_600):
        job = await bench.add(delay=timedelta(seconds=0.2))
        done = await bench.ended(job)
    assert done.updated_at >= job.created_at + timedelta(seconds=0.2)


async def test_a_job_that_comes_while_the_runner_is_idle_is_not_left_to_the_poll(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner(poll=3_600):
        for _ in range(3):
            await bench.ended(await bench.add())
    assert len(bench.transport.attempts) == 3


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_attempts_at_a_time_than_the_backend_has_places(make_bench, concurrency: int) -> None:
    async def briefly(_attempt: Attempt) -> Outcome:
        await asyncio.sleep(0.001)  # long enough for others to start beside it
        return Delivered()

    bench = await make_bench(briefly, concurrency=concurrency)
    jobs = [await bench.add() for _ in range(20)]
    async with bench.runner():
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    assert bench.transport.most_in_flight == concurrency


async def test_a_backend_that_hangs_does_not_hold_up_another(make_bench) -> None:
    never = asyncio.Event()

    async def hang_at_other(attempt: Attempt) -> Outcome:
        if attempt.backend.name == "other":
            await never.wait()
        return Delivered()

    bench = await make_bench(hang_at_other)
    stuck = [await bench.add(backend="other") for _ in range(5)]
    jobs = [await bench.add() for _ in range(50)]
    async with bench.runner(grace=0.01):
        for job in jobs:
            await bench.ended(job)
        assert (await bench.store.get(stuck[0].id)).status is JobStatus.PROCESSING
        never.set()
        for job in stuck:
            await bench.ended(job)


async def test_two_backends_have_a_table_each(make_bench) -> None:
    bench = await make_bench()
    mine, theirs = await bench.add(), await bench.add(backend="other")
    async with bench.runner() as runner:
        assert await runner.until_empty() == 0
    assert (mine.id.partition(":")[0], theirs.id.partition(":")[0]) == ("job", "other_job")
    assert {attempt.backend.name for attempt in bench.transport.attempts} == {"api", "other"}


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


async def test_until_empty_counts_what_this_runner_settled_as_failed(make_bench) -> None:
    bench = await make_bench(lambda attempt: BROKEN if attempt.job.path == "/chat" else Delivered())
    for path in ("/chat", "/spookify", "/chat"):
        await bench.add(path, max_retries=1)
    async with bench.runner() as runner:
        assert await runner.until_empty() == 2
