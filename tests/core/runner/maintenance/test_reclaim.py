"""What the database refuses of a runner's upkeep costs nothing else of it."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.ports import Claim, JobQuery, OverdueClaim, Settlement, StoreOptions
from sp00ky_core.runner.maintenance.reclaim import MOST_REMEMBERED, Overdue
from sp00ky_store_kit.memory import MemoryStore


class Unreleasing(MemoryStore):
    """A claim's reply is lost, and what it took can't be given back."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self.lost, self.pruned, self.reclaimed = False, asyncio.Event(), asyncio.Event()

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        if claim and not self.lost:
            self.lost = True
            raise StoreUnavailable(store="memory://", problem="the reply was lost")
        return claim

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        raise StoreError(store="memory://", problem="an index says no")

    async def reclaim(self, dead_runners: Mapping[str, datetime], **_more: Any) -> list[Settlement]:
        self.reclaimed.set()
        raise StoreError(store="memory://", problem="a trigger says no")

    async def prune(self, *, limit: int = 1_000, spared: object = ()) -> int:
        self.pruned.set()
        return 0


async def test_what_cant_be_released_or_reclaimed_keeps_a_runner_from_nothing_else(make_bench) -> None:
    bench = await make_bench()
    store = Unreleasing(StoreOptions(url="memory://", tables=bench.tables))
    (stray,) = await store.add([NewJob(path="/spookify", backend="api")])
    async with bench.runner(store, prune_interval=0.01, poll=3_600), asyncio.timeout(60):
        async for _ in store.watch(JobQuery(ids=(stray.id,), status=JobStatus.PROCESSING)):
            break
        await store.reclaimed.wait()
        await store.pruned.wait()
        (job,) = await store.add([NewJob(path="/spookify", backend="api")])
        async for _ in store.watch(JobQuery(ids=(job.id,), status=JobStatus.SUCCESS)):
            break
    assert (await store.get(stray.id)).status is JobStatus.PROCESSING


def overdue_claim(number: int, *, epoch: int = 1, lasts: float = 40.0) -> OverdueClaim:
    return OverdueClaim(job_id=f"job:{number}", epoch=epoch, runner_id="r", lasts=lasts)


def test_a_claim_is_overdue_when_it_was_seen_so_for_as_long_as_its_lease_lasts() -> None:
    overdue = Overdue()
    one, other = overdue_claim(1), overdue_claim(2, lasts=60.0)
    assert overdue.seen([one], 0.0, all_listed=True, held=()) == []
    assert overdue.seen([one, other], 39.9, all_listed=True, held=()) == []
    assert overdue.seen([one, other], 40.0, all_listed=True, held=()) == [one]
    assert overdue.seen([other], 99.0, all_listed=True, held=()) == []
    assert overdue.seen([other], 99.9, all_listed=True, held=()) == [other]


def test_what_is_no_longer_overdue_starts_anew() -> None:
    overdue = Overdue()
    overdue.seen([overdue_claim(1)], 0.0, all_listed=True, held=())
    overdue.seen([], 20.0, all_listed=True, held=())
    assert overdue.seen([overdue_claim(1)], 45.0, all_listed=True, held=()) == []
    assert (
        overdue.seen([overdue_claim(1, epoch=3)], 99.0, all_listed=True, held=()) == []
    )  # claimed again meanwhile


def test_what_this_runner_holds_is_under_way() -> None:
    overdue = Overdue()
    overdue.seen([overdue_claim(1)], 0.0, all_listed=True, held=())
    assert overdue.seen([overdue_claim(1)], 50.0, all_listed=True, held={"job:1"}) == []
    assert overdue.seen([overdue_claim(1)], 50.0, all_listed=True, held={"job:2"}) == [overdue_claim(1)]


def test_memory_is_bounded_and_a_part_of_a_list_forgets_nothing() -> None:
    overdue = Overdue()
    overdue.seen([overdue_claim(1)], 0.0, all_listed=False, held=())
    overdue.seen([overdue_claim(2)], 20.0, all_listed=False, held=())
    assert overdue.seen([overdue_claim(1)], 40.0, all_listed=False, held=()) == [overdue_claim(1)]
    for start in range(0, 30_000, 2_000):
        overdue.seen([overdue_claim(start + n) for n in range(2_000)], 41.0, all_listed=False, held=())
    assert len(overdue._since) <= MOST_REMEMBERED


class Unprunable(MemoryStore):
    """A table whose old rows can't be deleted."""

    tries = 0

    async def prune(self, *, limit: int = 1_000, spared: object = ()) -> int:
        self.tries += 1
        raise StoreError(store="memory://", problem="something refers to them")


async def test_what_cant_be_pruned_is_not_tried_again_at_once(make_bench) -> None:
    bench = await make_bench()
    store = Unprunable(StoreOptions(url="memory://", tables=bench.tables))
    async with bench.runner(store, prune_interval=3_600, random=lambda: 0.0) as runner:
        while not store.tries:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.005)
        for _ in range(10):  # rounds
            await runner._beat.next(10)
    assert store.tries == 1
