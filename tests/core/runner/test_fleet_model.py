"""Real runners over the memory store, every step chosen by Hypothesis; and mutants that it must notice.

``nox -s fuzz`` looks at far more runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from tests.simulation import FleetModel, Lab, MemoryLab, fleet_model
from tests.simulation.fleet import LAGS, MOST_JOBS, indexes
from tests.simulation.gate import Call
from tests.simulation.member import SimulatedRunner
from tests.simulation.world import STEP

from sp00ky_core import machine
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Lost, Transition
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import Claim, JobQuery, JobTable, Settlement, SettleResult, StoreOptions
from sp00ky_core.runner import Runner
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.transactional import Access, Is, Session
from sp00ky_core.stores.transactional.schema.definition import job_table

Mutate = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # faults are meant, and told in thousands
    yield
    logging.disable(logging.NOTSET)


class Fleet(FleetModel):
    """Any store's fleet, with one more thing that happens."""

    @precondition(lambda self: self.world.runners and len(self.world.ledger.entries) < MOST_JOBS)
    @rule(index=indexes, seconds=LAGS)
    def lag_beside_beats(self, index: int, seconds: float) -> None:
        """A runner looks after the tables, and claims, and the replies to both take long; its beats go on.

        Beats have a connection of their own. Where only the claim is late, the next release waits for it, and
        gives back what hasn't begun: such a claim is never too old to be started.
        """
        chosen = self.world.runners[index % len(self.world.runners)]
        self.world.leap(STEP)
        late = self.flow_but("reclaim", chosen)
        self.world.enqueue(1)
        late += self.flow_but("claim", chosen)
        self.world.pass_smoothly(seconds)
        for call in late:
            call.is_stalled = False

    def flow_but(self, method: str, late: SimulatedRunner) -> list[Call]:
        """Every call is answered; but a runner's calls of one kind are done, and not answered."""
        stalled: list[Call] = []
        self.world.run()
        while calls := self.flowing():
            simulated, call = calls[0]
            if simulated is late and call.method == method:
                self.world.reach(call)
                call.is_stalled = True
                stalled.append(call)
            else:
                self.world.answer(simulated, call)
        return stalled

    def flowing(self) -> list[tuple[SimulatedRunner, Call]]:
        """Calls that nothing holds up."""
        return [(each, call) for each, call in self.calls() if each.is_connected and not call.is_stalled]


class MemoryFleet(Fleet):
    make_lab = staticmethod(MemoryLab)


TestMemoryFleet = MemoryFleet.TestCase
TestMemoryFleet.settings = fleet_model(MemoryLab).settings


class SteeredFleet(Fleet):
    """A fleet whose jobs are kept in order, expire, and wait while an operator wants it."""

    @precondition(lambda self: len(self.world.ledger.entries) < MOST_JOBS)
    @rule(max_retries=st.integers(0, 2), key=st.sampled_from("ab"))
    def enqueue_in_order(self, max_retries: int, key: str) -> None:
        """Two jobs are added that are to be delivered in their order."""
        for _ in range(2):
            self.world.enqueue(max_retries, ordering_key=key)
        self.world.run()

    @precondition(lambda self: len(self.world.ledger.entries) < MOST_JOBS)
    @rule(seconds=st.sampled_from([0.5, 4.0, 12.0]), key=st.sampled_from([None, "a"]))
    def enqueue_to_expire(self, seconds: float, key: str | None) -> None:
        """A job is added that soon expires."""
        self.world.enqueue(1, ordering_key=key, expires_in=seconds)
        self.world.run()

    @rule()
    def pause_or_resume(self) -> None:
        """An operator pauses the backend, or resumes it."""
        if self.world.ledger.is_paused:
            self.world.resume()
        else:
            self.world.pause()
        self.world.run()


class SteeredMemoryFleet(SteeredFleet):
    make_lab = staticmethod(MemoryLab)


TestSteeredMemoryFleet = SteeredMemoryFleet.TestCase
TestSteeredMemoryFleet.settings = fleet_model(MemoryLab).settings


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


@pytest.mark.parametrize("store", [Unordered, Unpaused])
def test_a_store_that_heeds_no_order_and_no_pause_is_noticed(store: type[MemoryStore]) -> None:
    must_be_noticed(lambda options: MemoryLab(options, store), SteeredFleet)


def test_a_runner_that_sends_what_has_expired_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Held, "has_expired", lambda _held, _now: False)
    must_be_noticed(MemoryLab, SteeredFleet)


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


class KeepsNothing(MemoryStore):
    """Gives back what the runner still holds."""

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        return await super().release(runner_id, keep=())


def settles_late(fleet: Fleet) -> None:
    """What a runner wrote before its end arrives when the job is another's."""
    fleet.begin([2])
    fleet.flow()
    fleet.respond(0, Delivered())
    fleet.delay([call.method for _, call in fleet.calls()].index("settle"))
    fleet.crash(0)
    while not fleet.world.flights():
        fleet.pass_smoothly(STEP)
    fleet.arrive(0, arrives=True)


def reclaims_late(fleet: Fleet) -> None:
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


@pytest.mark.parametrize(("store", "story"), [(Unfenced, settles_late), (Hasty, reclaims_late)])
def test_a_store_without_a_guard_is_noticed(store: type[MemoryStore], story: Callable[[Fleet], None]) -> None:
    """A search by luck needs minutes for these two."""
    assert breaks_a_promise(store, story)
    assert not breaks_a_promise(MemoryStore, story)


def breaks_a_promise(store: type[MemoryStore], story: Callable[[Fleet], None]) -> bool:
    class Told(Fleet):
        make_lab = staticmethod(lambda options: MemoryLab(options, store))

    fleet = Told()
    story(fleet)
    try:
        fleet.teardown()
    except AssertionError:
        return True
    return False


def test_a_store_that_keeps_nothing_is_noticed() -> None:
    must_be_noticed(lambda options: MemoryLab(options, KeepsNothing))


def _starts_whatever_has_happened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Runner, "_may_start", lambda _runner, _held: True)


def _starts_until_the_lease_ends(patch: pytest.MonkeyPatch) -> None:
    last_start = Held.last_start.fget  # type: ignore[attr-defined]  # a property, as its class has it
    patch.setattr(Held, "last_start", property(lambda held: last_start(held) + held.timeout))


def _counts_no_failed_attempt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine, "_made", lambda _job: 0)


def _counts_no_lost_attempt(patch: pytest.MonkeyPatch) -> None:
    def lost(job: Job, _event: Lost, _how: object) -> Transition:
        return Transition(to=JobStatus.PENDING, retries=job.retries, bumps_epoch=True)

    ends = frozenset({JobStatus.PENDING})
    patch.setattr(machine, "TABLE", {**machine.TABLE, (JobStatus.PROCESSING, Lost): (lost, ends)})


@pytest.mark.parametrize(
    "mutate",
    [
        _starts_whatever_has_happened,
        _starts_until_the_lease_ends,
        _counts_no_failed_attempt,
        _counts_no_lost_attempt,
    ],
)
def test_a_runner_without_a_check_is_noticed(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    must_be_noticed(MemoryLab)


def must_be_noticed(make: Callable[[StoreOptions], Lab], fleet: type[Fleet] = Fleet) -> None:
    class Mutant(fleet):  # type: ignore[misc, valid-type]  # one of the two
        make_lab = staticmethod(make)

    search = settings(
        max_examples=5_000,  # Hypothesis knows the constants of what is imported: a search may be less lucky
        stateful_step_count=30,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Mutant, settings=search)
