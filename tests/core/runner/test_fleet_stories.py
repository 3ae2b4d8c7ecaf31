"""Mutants that a search by luck needs minutes to notice, each with a story that breaks a promise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import attrs
import pytest
from tests.core.runner.test_fleet_model import SteeredFleet
from tests.simulation import MemoryLab
from tests.simulation.world import STEP

from sp00ky_core import machine
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Lost, Transition
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import Claim, JobQuery, JobTable, Settlement, SettleResult
from sp00ky_core.runner import Runner
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.transactional import Access, Is, Session
from sp00ky_core.stores.transactional.schema.definition import job_table

Mutate = Callable[[pytest.MonkeyPatch], None]
Story = Callable[[SteeredFleet], None]


class Unordered(MemoryStore):
    """Forgets that a lost attempt may be under way."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        for table in self.options.tables:
            await self.run(partial(_forget_leases, table=table), Access.WRITE)
        return await super().claim(slots_by_backend, runner_id)


async def _forget_leases(session: Session, table: JobTable) -> None:
    lost = [Is("status", "!=", JobStatus.PROCESSING), Is("lease_until", "!=", None)]
    await session.update(job_table(table.table), lost, {"lease_until": None})


class Unpaused(MemoryStore):
    """Claims whatever an operator wants."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        for backend in slots_by_backend:
            await self.resume(backend)
        return await super().claim(slots_by_backend, runner_id)


class Unfenced(MemoryStore):
    """Writes whatever the row's epoch is by now."""

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        rows = {job.id: job for job in await self._load([each.job_id for each in settlements])}
        return await super()._apply([_forged(each, rows.get(each.job_id)) for each in settlements])


def _forged(settlement: Settlement, row: Job | None) -> Settlement:
    if row is None:
        return settlement
    return attrs.evolve(settlement, epoch=row.lease_epoch, runner_id=row.runner_id)


class Hasty(MemoryStore):
    """Doesn't look at leases when it reclaims."""

    async def _lost(self, dead_runners: Collection[str], *, limit: int, **_guards: object) -> list[Job]:
        return await self.find(JobQuery(status=JobStatus.PROCESSING, limit=limit))


def settles_late(fleet: SteeredFleet) -> None:
    """What a runner wrote before its end arrives when the job is another's."""
    fleet.begin([2])
    fleet.flow()
    fleet.respond(0, Delivered())
    fleet.delay([call.method for _, call in fleet.calls()].index("settle"))
    fleet.crash(0)
    while not fleet.world.flights():
        fleet.pass_smoothly(STEP)
    fleet.arrive(0, arrives=True)


def reclaims_late(fleet: SteeredFleet) -> None:
    """A runner looks for what is lost, and by the time it does, one that it doesn't know has a job."""
    fleet.begin([])
    while not (late := [call for _, call in fleet.calls() if call.method == "reclaim"]):
        fleet.answer(0) if fleet.calls() else fleet.leap(STEP)
    late[0].is_stalled = True
    new = fleet.world.start()
    fleet.world.enqueue(1)
    while not fleet.world.flights():
        fleet.world.answer(new, new.store.calls[0]) if new.store.calls else fleet.leap(0.5)
    fleet.world.reach(late[0])


def loses_the_first_of_two(fleet: SteeredFleet) -> None:
    """The runner of a key's first job crashes, and is known to be dead before the lease is over."""
    fleet.begin([])
    fleet.enqueue_in_order(0, "a")
    loses_its_attempt(fleet)


def loses_the_only_attempt(fleet: SteeredFleet) -> None:
    """The runner of a job that is sent once crashes."""
    fleet.begin([0])
    loses_its_attempt(fleet)


def loses_its_attempt(fleet: SteeredFleet) -> None:
    """A runner crashes with a request under way, and the others find it dead."""
    fleet.flow()
    (flight,) = fleet.world.flights()
    fleet.crash([each.runner.runner_id for each in fleet.world.runners].index(flight.runner_id))
    fleet.pass_smoothly(14.0)


def hears_late(fleet: SteeredFleet) -> None:
    """The reply to a claim comes when hardly anything is left of the lease."""
    fleet.begin([])
    fleet.lag_beside_beats(0, 33.0)
    fleet.flow()


def hears_what_has_expired(fleet: SteeredFleet) -> None:
    """The reply to a claim comes when its job has expired."""
    fleet.begin([])
    fleet.enqueue_to_expire(4.0, None)
    fleet.lag_one([call.method for _, call in fleet.calls()].index("claim"), is_done=True, seconds=5.0)
    fleet.flow()


def waits(fleet: SteeredFleet) -> None:
    """A job is added to a backend that is paused."""
    fleet.begin([])
    fleet.pause_or_resume()
    fleet.enqueue(0)
    fleet.pass_smoothly(14.0)


@pytest.mark.parametrize(
    ("store", "story"),
    [
        (Unfenced, settles_late),
        (Hasty, reclaims_late),
        (Unordered, loses_the_first_of_two),
        (Unpaused, waits),
    ],
)
def test_a_store_without_a_guard_is_noticed(store: type[MemoryStore], story: Story) -> None:
    assert breaks_a_promise(store, story)
    assert not breaks_a_promise(MemoryStore, story)


def _starts_whatever_has_happened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Runner, "_may_start", lambda *_: True)


def _starts_until_the_lease_ends(patch: pytest.MonkeyPatch) -> None:
    last_start = Held.last_start.fget  # type: ignore[attr-defined]  # a property, as its class has it
    patch.setattr(Held, "last_start", property(lambda held: last_start(held) + held.timeout))


def _counts_no_lost_attempt(patch: pytest.MonkeyPatch) -> None:
    def lost(job: Job, _event: Lost, _how: object) -> Transition:
        return Transition(to=JobStatus.PENDING, retries=job.retries, bumps_epoch=True)

    ends = frozenset({JobStatus.PENDING})
    patch.setattr(machine, "TABLE", {**machine.TABLE, (JobStatus.PROCESSING, Lost): (lost, ends)})


def _sends_what_has_expired(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Held, "has_expired", lambda _held, _now: False)


@pytest.mark.parametrize(
    ("mutate", "story"),
    [
        (_sends_what_has_expired, hears_what_has_expired),
        (_starts_whatever_has_happened, hears_late),
        (_starts_until_the_lease_ends, hears_late),
        (_counts_no_lost_attempt, loses_the_only_attempt),
    ],
)
def test_a_runner_without_a_check_is_noticed(
    mutate: Mutate, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not breaks_a_promise(MemoryStore, story)
    mutate(monkeypatch)
    assert breaks_a_promise(MemoryStore, story)


def breaks_a_promise(store: type[MemoryStore], story: Story) -> bool:
    class Scripted(SteeredFleet):
        make_lab = staticmethod(lambda options: MemoryLab(options, store))

    fleet = Scripted()
    story(fleet)
    try:
        fleet.teardown()
    except AssertionError:
        return True
    return False
