"""A runner that waits is woken in time."""

import asyncio
from datetime import timedelta


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


async def test_a_stream_of_events_does_not_put_off_the_poll(make_bench) -> None:
    bench = await make_bench()
    runner = bench.runner(poll=0.05)
    claimer, wake = runner._claimer, runner._wake
    wake.expect_nothing(["api", "other"])
    async with asyncio.timeout(60):
        while not wake.may_have_work("other"):
            wake.freed()  # a place of another backend
            await claimer._rest()
            claimer._look_if_time()
