"""Real runners over the memory store, every step chosen by Hypothesis; and mutants that it must notice.

``nox -s fuzz`` looks at far more runs.
"""

import logging
from collections.abc import Callable, Collection, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from tests.simulation import FleetModel, Lab, MemoryLab, fleet_model
from tests.simulation.fleet import LAGS, MOST_JOBS, indexes
from tests.simulation.gate import Call
from tests.simulation.member import SimulatedRunner
from tests.simulation.world import STEP

from sp00ky_core.job import state_machine as machine
from sp00ky_core.ports import StoreOptions
from sp00ky_store_kit.memory import MemoryStore


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
        return [
            (runner, call) for runner, call in self.calls() if runner.is_connected and not call.is_stalled
        ]


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


class KeepsNothing(MemoryStore):
    """Gives back what the runner still holds."""

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        return await super().release(runner_id, keep=())


def test_a_store_that_keeps_nothing_is_noticed() -> None:
    must_be_noticed(lambda options: MemoryLab(options, KeepsNothing))


def test_a_runner_that_counts_no_failed_attempt_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_made", lambda _job: 0)
    must_be_noticed(MemoryLab)


def must_be_noticed(make: Callable[[StoreOptions], Lab]) -> None:
    class Mutant(Fleet):
        make_lab = staticmethod(make)

    search = settings(
        max_examples=1_000,  # a mutant that needs more than a few has a story in test_fleet_stories.py
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
