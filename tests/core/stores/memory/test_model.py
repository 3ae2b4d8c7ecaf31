"""The model, with the memory store on both sides: it must hold, and it must notice a store that is wrong."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any
from unittest import mock

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sp00ky_conformance.model.facts import LATER
from sp00ky_conformance.model.pairs import Claim as Taken
from sp00ky_conformance.model.pairs import Pair
from sp00ky_conformance.model.rules import BACKENDS, RUNNERS, StoreModel, store_model
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Event
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import (
    Claim,
    JobQuery,
    JobTable,
    SettleFate,
    Settlement,
    SettleResult,
    StoreOptions,
)
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.transactional import Access, Is, Session
from sp00ky_core.stores.transactional.jobs import due
from sp00ky_core.stores.transactional.jobs.due import priority_ranges
from sp00ky_core.stores.transactional.rows import key_of
from sp00ky_core.stores.transactional.schema.definition import job_table

TestMemoryModel = store_model(MemoryStore)

API, LIMITED = BACKENDS


class Unfenced(MemoryStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        ids = tuple(each.job_id for each in settlements)
        rows = {job.id: job for job in await self.find(JobQuery(ids=ids, limit=len(ids)))}
        return await super().settle([_forged(each, rows.get(each.job_id)) for each in settlements])


def _forged(settlement: Settlement, row: Job | None) -> Settlement:
    if row is None:
        return settlement
    return attrs.evolve(settlement, epoch=row.lease_epoch, runner_id=row.runner_id, status=row.status)


class ForgetsEpochs(MemoryStore):
    async def claim(self, slots_by_backend: object, runner_id: str) -> list[Job]:
        jobs = await super().claim(slots_by_backend, runner_id)  # type: ignore[arg-type]  # passed on
        for job in jobs:
            object.__setattr__(job, "lease_epoch", 1)
        return jobs


class KeepsNothing(MemoryStore):
    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        return await super().release(runner_id, keep=())


class ReportsWell(MemoryStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        await super().settle(settlements)
        return [SettleResult(job_id=each.job_id, fate=SettleFate.SETTLED) for each in settlements]


class LowestFirst(MemoryStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        async def lowest_first(session: Session, table: JobTable) -> list[list[Is]]:
            return (await priority_ranges(session, table))[::-1]

        with mock.patch.object(due, "priority_ranges", lowest_first):
            return await super().claim(slots_by_backend, runner_id)


class LosesPlaces(MemoryStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await super().settle(settlements)
        for each in settlements:
            await self.run(partial(_lose_place, job_id=each.job_id), Access.WRITE)
        return results


async def _lose_place(session: Session, job_id: str) -> None:
    where = [Is("id", "=", key_of(job_id)), Is("ordering_key", "!=", None)]
    await session.update(job_table(table_of(job_id)), where, {"ordering_at": await session.now()})


class Unlimited(MemoryStore):
    def __init__(self, options: StoreOptions) -> None:
        tables = tuple(attrs.evolve(each, max_in_flight=None) for each in options.tables)
        super().__init__(attrs.evolve(options, tables=tables))


class NeverPauses(MemoryStore):
    async def pause(self, backend: str, **options: Any) -> bool:
        is_new = await super().pause(backend, **options)
        await super().resume(backend)
        return is_new


class RedrivesAtOnce(MemoryStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        return await super().settle([_at_once(each) for each in settlements])


def _at_once(settlement: Settlement) -> Settlement:
    if settlement.status is not JobStatus.FAILED:
        return settlement
    return attrs.evolve(settlement, transition=attrs.evolve(settlement.transition, delay=0.0))


class Told(StoreModel):
    """The model, whose steps a test chooses; after each, both stores are compared as in a search."""

    def queue(self, backend: str) -> list[Pair]:
        jobs = list(self.enqueue_first(backend=backend).values)
        self.compare()
        return jobs

    def take(self, backend: str, count: int) -> list[Taken]:
        taken = list(self.claim(slots={backend: count}, runner=RUNNERS[0]).values)
        self.compare()
        return taken

    def lose(self) -> None:
        self.leave(runner=RUNNERS[0], kept=[], is_dead=True)
        self.compare()

    def end(self, claim: Taken, event: Event, *, twice: bool = False) -> None:
        self.settle(claim=claim, event=event, twice=twice)
        self.compare()

    def compare(self) -> None:
        self.both_hold_the_same()
        self.both_count_the_same()
        self.both_group_errors_alike()


def settles_late(model: Told) -> None:
    model.queue(API)
    (claim,) = model.take(API, 1)
    model.lose()
    model.end(claim, Delivered())


def settles_what_was_lost_before(model: Told) -> None:
    model.queue(API)
    model.take(API, 1)
    model.lose()
    (claim,) = model.take(API, 1)
    model.end(claim, Delivered())


def settles_twice(model: Told) -> None:
    model.queue(API)
    (claim,) = model.take(API, 1)
    model.end(claim, Delivered(), twice=True)


def takes_one(model: Told) -> None:
    model.queue(API)
    model.take(API, 1)


def waits_to_retry_the_first_of_a_key(model: Told) -> None:
    model.queue(API)
    claims = model.take(API, 3)
    (keyed,) = [each for each in claims if each.reference.ordering_key]
    model.end(keyed, Undelivered(name="http_status", code=503, reason="later"))
    model.take(API, 3)


def takes_many(model: Told) -> None:
    model.queue(LIMITED)
    model.take(LIMITED, 5)


def takes_while_paused(model: Told) -> None:
    model.queue(API)
    model.pause(backend=API, seconds=None, actor=None)
    model.take(API, 1)


def redrives_for_later(model: Told) -> None:
    (job, *_) = model.queue(API)
    model.kill(chosen=[job])
    model.redrive(chosen=[job], resend_unknown=False, delay=LATER.total_seconds())
    model.compare()


def releases_but_what_it_holds(model: Told) -> None:
    jobs = model.queue(API)
    model.take(API, 3)
    model.leave(runner=RUNNERS[0], kept=jobs, is_dead=False)


@pytest.mark.parametrize(
    ("broken", "story"),
    [
        (Unfenced, settles_late),
        (ForgetsEpochs, settles_what_was_lost_before),
        (ReportsWell, settles_twice),
        (LowestFirst, takes_one),
        (LosesPlaces, waits_to_retry_the_first_of_a_key),
        (Unlimited, takes_many),
        (NeverPauses, takes_while_paused),
        (RedrivesAtOnce, redrives_for_later),
        (KeepsNothing, releases_but_what_it_holds),
    ],
)
def test_a_broken_store_is_noticed(broken: type[MemoryStore], story: Callable[[Told], None]) -> None:
    """Told, for a search by luck needs up to minutes, and what it finds depends on what is imported."""
    assert differs(broken, story)
    assert not differs(MemoryStore, story)


def differs(store: type[MemoryStore], story: Callable[[Told], None]) -> bool:
    class Model(Told):
        make_store = store

    model = Model()
    try:
        story(model)
    except AssertionError:
        return True
    finally:
        model.teardown()
    return False


def test_a_search_notices_a_broken_store() -> None:
    class Broken(StoreModel):
        make_store = ReportsWell

    search = settings(
        max_examples=5_000,  # it is found within some dozens
        stateful_step_count=25,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=search)
