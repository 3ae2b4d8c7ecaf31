"""A backend that an operator has paused: nothing of it is claimed or started, until it is resumed."""

import asyncio

import pytest

from sp00ky_core.errors import BackendPaused
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt
from sp00ky_core.runner.slots import Slots

NEVER = 3_600.0


async def test_a_pause_that_ends_by_its_time_is_noticed_without_a_signal(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner(poll=NEVER) as runner:
        await bench.store.pause("api")
        job = await bench.add()
        while not runner._slots["api"].gate.pause.is_on:  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0)
        await bench.store.pause("api", seconds=0.5)
        await bench.ended(job)


async def test_what_is_claimed_and_not_started_is_released_and_what_is_in_flight_ends(
    make_bench, monkeypatch
) -> None:
    def far_ahead(slots: Slots, _now: float, _claim_seconds: float) -> None:
        slots._ahead, slots._stride, slots._claimed = 4, 100, 0

    monkeypatch.setattr(Slots, "measure", far_ahead)
    monkeypatch.setattr("sp00ky_core.runner.claim.LONGEST_WAIT", NEVER)
    go_on = asyncio.Event()

    async def hang_at_chat(attempt: Attempt) -> Outcome:
        if attempt.job.path == "/chat":
            await go_on.wait()
        return Delivered()

    bench = await make_bench(hang_at_chat, concurrency=4)
    async with bench.runner(poll=NEVER):
        slow = [await bench.add("/chat") for _ in range(4)]
        await bench.transport.began(4)
        waiting = await bench.add(max_retries=0)
        await bench.until(waiting, lambda now: now.status is JobStatus.PROCESSING)
        await bench.store.pause("api")
        given_back = await bench.until(waiting, lambda now: now.status is JobStatus.PENDING)
        assert (given_back.lease_epoch, given_back.errors) == (1, ())
        go_on.set()
        for job in slow:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
        assert (await bench.store.get(waiting.id)).status is JobStatus.PENDING
    assert len(bench.transport.attempts) == 4


async def test_until_empty_names_the_backend_whose_jobs_wait(make_bench) -> None:
    bench = await make_bench()
    await bench.store.pause("api")
    await bench.add()
    other = await bench.add(backend="other")
    async with bench.runner() as runner:
        with pytest.raises(BackendPaused, match=r"'api' is paused, 1 job waits; see: sp00ky backends resume"):
            await runner.until_empty()
    assert (await bench.store.get(other.id)).status is JobStatus.SUCCESS
