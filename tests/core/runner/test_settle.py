"""Outcomes are written, kept until they can be, or reported as lost."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from sp00ky_conformance.faults import Fault, FaultyStore, Scripted
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.operators.transitions import kill
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt, JobQuery, SettleFate, Settlement, SettleResult, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore

LOST_REPLY = Fault(lost_reply=True)
NO_CONNECTION = Fault()
"""Seconds beyond a test's end."""


@pytest.mark.parametrize("fault", [LOST_REPLY, NO_CONNECTION], ids=["lost reply", "no connection"])
async def test_an_outcome_that_cannot_be_settled_is_kept_until_it_can(make_bench, fault: Fault) -> None:
    bench, faults = await make_bench(), Scripted()
    faults.put("settle", fault, fault, fault)
    job = await bench.add(max_retries=0)
    async with bench.runner(FaultyStore(bench.store, faults)):
        done = await bench.ended(job)
    assert (done.status, done.retries, done.lease_epoch) == (JobStatus.SUCCESS, 0, 1)
    assert len(bench.transport.attempts) == 1
    assert faults.left() <= 2  # a lost reply had written it the first time


async def test_a_zombies_outcome_is_reported_and_not_written(make_bench, caplog) -> None:
    killed = asyncio.Event()

    async def wait_to_be_killed(_attempt: Attempt) -> Outcome:
        await killed.wait()
        return Delivered(result="too late")

    bench = await make_bench(wait_to_be_killed)
    job = await bench.add()
    async with bench.runner():
        await bench.transport.began(1)
        assert [result.fate for result in await kill(bench.store, [job.id])] == ["killed"]
        killed.set()
    done = await bench.store.get(job.id)
    assert (done.status, done.result, [error.name for error in done.errors]) == (
        JobStatus.FAILED,
        None,
        ["killed"],
    )
    assert any("lease lost" in record.message for record in caplog.records)


async def test_what_fails_is_logged_without_the_backend_s_words(make_bench, caplog) -> None:
    """They may repeat the payload; the row has them."""
    caplog.set_level(logging.INFO)
    bench = await make_bench(
        lambda _attempt: Undelivered(code=500, name="http_status", reason="out of ghosts")
    )
    job = await bench.add(max_retries=1)
    async with bench.runner():
        ended = await bench.ended(job)
    logged = [(each.levelname, each.getMessage()) for each in caplog.records if job.id in each.getMessage()]
    about = f"{job.id} (api '/spookify')"
    assert logged == [
        ("INFO", f"{about} is retried in 0.0 s: attempt 1: http_status: HTTP 500"),
        ("WARNING", f"{about} failed: attempt 2: http_status: HTTP 500"),
    ]
    assert [error.reason for error in ended.errors] == ["out of ghosts"] * 2


async def test_a_long_outage_of_the_store_loses_nothing(make_bench, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    bench, faults = await make_bench(), Scripted()
    for method in ("claim", "settle", "beat", "release", "reclaim", "next_due"):
        faults.put(method, None, *[NO_CONNECTION] * 3, LOST_REPLY, LOST_REPLY)
    jobs = [await bench.add(max_retries=0) for _ in range(30)]
    async with bench.runner(FaultyStore(bench.store, faults)):
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    assert len(bench.transport.attempts) == len(jobs)


class Refusing(MemoryStore):
    """A database that writes no end of a job, in any form, for a while."""

    refusals = 0

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        if self.refusals:
            self.refusals -= 1
            return [
                SettleResult(job_id=each.job_id, fate=SettleFate.BUSY, problem="a trigger says no")
                for each in settlements
            ]
        return await super().settle(settlements)


async def test_an_outcome_that_the_database_refuses_is_kept_and_not_sent_again(make_bench, caplog) -> None:
    bench = await make_bench()
    refusing = Refusing(StoreOptions(url="memory://", tables=bench.tables))
    refusing.refusals = 4
    (job,) = await refusing.add([NewJob(path="/spookify", backend="api", max_retries=0)])
    async with bench.runner(refusing), asyncio.timeout(60):
        async for now in refusing.watch(JobQuery(ids=(job.id,))):
            if now.is_terminal:
                break
    assert (now.status, now.lease_epoch, len(bench.transport.attempts)) == (JobStatus.SUCCESS, 1, 1)
    assert [record.message for record in caplog.records if "a trigger says no" in record.message] == [
        f"job {job.id}: its outcome can't be written yet: a trigger says no"
    ]


async def test_the_next_of_a_key_starts_when_the_one_before_is_written(make_bench) -> None:
    bench, faults, written = await make_bench(), Scripted(), asyncio.Event()
    faults.put("settle", Fault(held_until=written, fails=False))
    jobs = [await bench.add(ordering_key="k") for _ in range(2)]
    async with bench.runner(FaultyStore(bench.store, faults), poll=3_600):
        await bench.transport.began(1)
        for _ in range(100):  # the runner has asked for the next due job, and waits
            await asyncio.sleep(0)
        written.set()
        for job in jobs:
            await bench.ended(job)
