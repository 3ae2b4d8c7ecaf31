"""A runner counts its attempts, and the failures of its store."""

import asyncio
from typing import Any

from sp00ky_conformance import FaultyStore
from sp00ky_conformance.faults import Fault
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_core.runner.observer import HANGING, Observer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


OUTCOMES: dict[str, Outcome] = {
    "ok": Delivered(code=201),
    "broken": Undelivered(code=500, name="http_status", reason="boo"),
    "slow": Undelivered(code=429, name="throttled", retry_after=60),
}


async def test_each_attempt_is_counted_by_its_outcome(make_bench: Any) -> None:
    async def script(attempt: Attempt) -> Outcome:
        return OUTCOMES[str(attempt.job.dedup_key)]

    bench = await make_bench(script)
    names = {"ok": "api", "broken": "api", "slow": "other"}
    jobs = [await bench.add(dedup_key=key, backend=name, max_retries=1) for key, name in names.items()]
    nowhere = await bench.add("/nowhere", max_retries=0)
    async with bench.runner() as runner:
        await asyncio.gather(*(bench.ended(job) for job in (*jobs[:2], nowhere)))
        await bench.until(jobs[2], lambda job: job.deferred_since is not None)
        counted = runner.observer.counters.attempts
        assert runner.is_ready
    assert {kind: counts[0] for kind, counts in counted.items()} == {
        ("api", "/spookify", "success", 201): 1,
        ("api", "/spookify", "retry", 500): 1,
        ("api", "/spookify", "failed", 500): 1,
        ("other", "/spookify", "throttled", 429): 1,
        ("api", "", "failed", 0): 1,
    }
    assert sum(counted["api", "/spookify", "success", 201][2:]) == 1
    assert sum(counted["api", "", "failed", 0][2:]) == 0, "no request was made"
    assert not runner.is_ready


async def test_what_another_runner_lost_is_unknown(make_bench: Any) -> None:
    bench = await make_bench()
    job = await bench.add(max_retries=0)
    await bench.store.claim({"api": 1}, "dead")
    row = bench.store.write_row
    row(
        job.id.partition(":")[0],
        {"id": job.id, "path": "/spookify", "status": "processing", "max_retries": 0},
    )
    async with bench.runner() as runner:
        await bench.ended(job)
        assert {kind: counts[0] for kind, counts in runner.observer.counters.attempts.items()} == {
            ("api", "", "unknown", 0): 1
        }


async def test_failures_of_the_store_are_counted_and_no_runner_is_ready_then(make_bench: Any) -> None:
    bench = await make_bench()
    failing, failed = True, asyncio.Event()

    def fault(method: str) -> Fault | None:
        if method == "claim" and failing:
            failed.set()
            return Fault()
        return None

    async with bench.runner(FaultyStore(bench.store, fault)) as runner:
        job = await bench.add()
        await failed.wait()
        while not runner.observer.counters.store_errors:  # noqa: ASYNC110  # the runner's next step
            await asyncio.sleep(0)
        assert not runner.is_ready
        failing = False
        await bench.ended(job)
        assert runner.is_ready


async def test_no_runner_is_ready_while_its_claim_hangs(make_bench: Any) -> None:
    bench = await make_bench()
    clock, lock = Clock(), asyncio.Event()
    observer = Observer(clock)
    with observer.claiming():
        assert observer.claims_go_through
        clock.now += HANGING
        assert not observer.claims_go_through
    assert observer.claims_go_through

    def fault(method: str) -> Fault | None:
        return Fault(held_until=lock, fails=False) if method == "claim" else None

    async with bench.runner(FaultyStore(bench.store, fault)) as runner:
        assert runner.is_ready
        while runner.observer.claiming_since is None:  # noqa: ASYNC110  # the runner's next step
            await asyncio.sleep(0)
        runner.observer.claiming_since -= HANGING
        assert not runner.is_ready
        lock.set()
