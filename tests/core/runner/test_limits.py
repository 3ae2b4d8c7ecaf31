"""A backend with limits: it is claimed for when a token comes, and nothing is sent late."""

import asyncio
from collections.abc import Collection

from sp00ky_conformance.faults import FaultyStore, Scripted
from sp00ky_core.config import RateConfig
from sp00ky_core.gate.gate import Gate
from sp00ky_core.ports import Store
from sp00ky_core.runner.holdings import Held

NEVER = 3_600.0


class KnowsNothingNext(FaultyStore):
    """A store that doesn't say when a job is due."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Scripted())

    async def next_due(self, _backends: Collection[str]) -> float | None:
        return None


class SlowNext(KnowsNothingNext):
    """A store that takes longer to say when a job is due than a token takes to come."""

    async def next_due(self, _backends: Collection[str]) -> float | None:
        await asyncio.sleep(0.03)
        return None


async def test_a_token_that_comes_while_the_next_job_is_looked_for_is_used(make_bench) -> None:
    bench = await make_bench(rate=RateConfig(limit=100, per=1.0, burst=1))
    jobs = [await bench.add() for _ in range(8)]
    async with bench.runner(SlowNext(bench.store), poll=NEVER):
        for job in jobs:
            await bench.ended(job)


async def test_a_place_that_is_given_back_unused_is_claimed_at_once(make_bench, monkeypatch) -> None:
    def is_late_once(_gate: Gate, held: Held, _in_flight: int) -> bool:
        return held.job.lease_epoch > 1

    monkeypatch.setattr(Gate, "may_start", is_late_once)
    monkeypatch.setattr("sp00ky_core.stores.decisions.FULL", NEVER)
    bench = await make_bench(max_in_flight=1)
    jobs = [await bench.add() for _ in range(5)]
    async with bench.runner(KnowsNothingNext(bench.store), poll=NEVER):
        for job in jobs:
            assert (await bench.ended(job)).lease_epoch == 2  # claimed, given back, and claimed again
