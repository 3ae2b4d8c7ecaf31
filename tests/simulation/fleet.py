"""A fleet of runners whose every step Hypothesis chooses: no promise may be broken, whatever it thinks of.

TestMyFleet = fleet_model(lambda options: MyLab(options))
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from unittest import TestCase

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.simulation.gate import Call
from tests.simulation.labs import Lab
from tests.simulation.member import SimulatedRunner
from tests.simulation.world import BACKEND, World

from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome, Undelivered
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.ids import new_key

__all__ = ["FleetModel", "LabFactory", "fleet_model"]

T = TypeVar("T")

LabFactory = Callable[[StoreOptions], Lab]
"""Opens a store of its own, with its tables."""

MOST_RUNNERS = 3
MOST_JOBS = 6
OUTCOMES: Sequence[Outcome] = (
    Delivered(),
    Undelivered(name="http_status", code=500, reason="broken"),
    Undelivered(name="reset", reason="closed"),
    Undelivered(name="connect", reason="refused"),
    Undelivered(name=THROTTLED, code=503, retry_after=3.0, counts_as="unavailable"),
    Undelivered(name=THROTTLED, code=429),
    Undelivered(name="invalid_payload", reason="never"),
)
LAGS = st.sampled_from([5.0, 9.0, 14.0, 33.0])
indexes = st.integers(0, 5)  # of what there is, modulo how many there are


class FleetModel(RuleBasedStateMachine):
    """Runners, their calls and requests, the time and the operators, one rule for each thing that happens."""

    make_lab: LabFactory

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        tables = (JobTable(backend=BACKEND, table=f"job_{new_key()[-12:]}"),)
        options = StoreOptions(url="simulated://", tables=tables, directory=folder)
        self.world = World(type(self).make_lab(options), tables, folder)

    def teardown(self) -> None:
        """From here on all goes well, and every job must end."""
        try:
            self.world.end()
        finally:
            self.world.close()
            self._folder.cleanup()

    @initialize(max_retries=st.lists(st.integers(0, 2), min_size=1, max_size=3))
    def begin(self, max_retries: list[int]) -> None:
        """There are jobs, and two runners that have been up for a while and are about to claim them."""
        for _ in range(2):
            self.world.start()
        self.world.pass_smoothly(12)
        for retry in max_retries:
            self.world.enqueue(retry)
        self.world.run()

    @precondition(lambda self: len(self.world.ledger.entries) < MOST_JOBS)
    @rule(max_retries=st.integers(0, 2))
    def enqueue(self, max_retries: int) -> None:
        """A job is added."""
        self.world.enqueue(max_retries)
        self.world.run()

    @precondition(lambda self: len(self.world.runners) < MOST_RUNNERS)
    @rule()
    def start(self) -> None:
        """A runner is started."""
        self.world.start()

    @precondition(lambda self: self.world.runners)
    @rule(index=indexes)
    def crash(self, index: int) -> None:
        """A runner is killed."""
        self.world.crash(_chosen(self.world.runners, index))

    @precondition(lambda self: self.world.runners)
    @rule(index=indexes)
    def drain(self, index: int) -> None:
        """A runner is told to end."""
        _chosen(self.world.runners, index).drain()
        self.world.run()

    @precondition(lambda self: self.world.runners)
    @rule(index=indexes)
    def freeze_or_thaw(self, index: int) -> None:
        """A runner is stopped, or goes on."""
        chosen = _chosen(self.world.runners, index)
        chosen.is_frozen = not chosen.is_frozen
        self.world.run()

    @precondition(lambda self: self.world.runners)
    @rule(index=indexes)
    def cut_off_or_connect(self, index: int) -> None:
        """A runner loses the database, or has it again."""
        chosen = _chosen(self.world.runners, index)
        chosen.is_cut_off = not chosen.is_cut_off

    @precondition(lambda self: self.calls())
    @rule(index=indexes)
    def reach(self, index: int) -> None:
        """A call is done; its reply is on its way."""
        self.world.reach(_chosen(self.calls(), index)[1])
        self.world.run()

    @precondition(lambda self: self.calls())
    @rule(index=indexes)
    def answer(self, index: int) -> None:
        """A call is answered."""
        self.world.answer(*_chosen(self.calls(), index))

    @precondition(lambda self: self.calls())
    @rule(index=indexes)
    def lose_reply(self, index: int) -> None:
        """A call is done, and its reply is lost."""
        self.world.lose_reply(*_chosen(self.calls(), index))

    @precondition(lambda self: self.calls())
    @rule(index=indexes)
    def delay(self, index: int) -> None:
        """A call's connection is lost; it may be done later."""
        self.world.delay(*_chosen(self.calls(), index))

    @precondition(lambda self: self.world.late)
    @rule(index=indexes, arrives=st.booleans())
    def arrive(self, index: int, arrives: bool) -> None:
        """A call that was given up is done, or never will be."""
        call = _chosen(self.world.late, index)
        if arrives:
            self.world.arrive(call)
        else:
            self.world.late.remove(call)

    @precondition(lambda self: self.world.runners)
    @rule(index=indexes, seconds=LAGS)
    def lag(self, index: int, seconds: float) -> None:
        """A runner's calls are done, and their replies take long, and so do its next calls."""
        chosen = _chosen(self.world.runners, index)
        for call in list(chosen.store.calls):
            self.world.reach(call)
        chosen.is_cut_off = True
        self.world.pass_smoothly(seconds)
        chosen.is_cut_off = False

    @precondition(lambda self: self.calls())
    @rule(index=indexes, is_done=st.booleans(), seconds=LAGS)
    def lag_one(self, index: int, is_done: bool, seconds: float) -> None:
        """One call takes long, or its reply does; the others go on."""
        _, call = _chosen(self.calls(), index)
        if is_done:
            self.world.reach(call)
        call.is_stalled = True
        self.world.pass_smoothly(seconds)
        call.is_stalled = False

    @precondition(lambda self: self.world.flights())
    @rule(index=indexes, outcome=st.sampled_from(OUTCOMES))
    def respond(self, index: int, outcome: Outcome) -> None:
        """The backend answers a request."""
        self.world.respond(_chosen(self.world.flights(), index), outcome)

    @rule()
    def flow(self) -> None:
        """Every call is answered."""
        self.world.flow()

    @rule(seconds=st.sampled_from([0.5, 2.1, 5.0, 11.0, 31.0, 45.0]))
    def leap(self, seconds: float) -> None:
        """Time passes while the database is silent."""
        self.world.leap(seconds)

    @rule(seconds=st.sampled_from([2.0, 8.0, 14.0, 50.0]))
    def pass_smoothly(self, seconds: float) -> None:
        """Time passes."""
        self.world.pass_smoothly(seconds)

    @rule(index=indexes)
    def kill(self, index: int) -> None:
        """An operator kills a job."""
        self.world.kill(_chosen(list(self.world.ledger.entries), index))

    @rule(index=indexes)
    def retry(self, index: int) -> None:
        """An operator retries a job."""
        self.world.retry(_chosen(list(self.world.ledger.entries), index))

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        """The rows are what they must be, and no promise was broken."""
        self.world.check()

    def calls(self) -> list[tuple[SimulatedRunner, Call]]:
        """Every call that waits, and whose it is."""
        return [(runner, call) for runner in self.world.runners for call in runner.store.calls]


def _chosen(of: Sequence[T], index: int) -> T:
    return of[index % len(of)]


def fleet_model(make_lab: LabFactory, *, settings: hypothesis.settings | None = None) -> type[TestCase]:
    """The model of a fleet as a test case; pytest collects it under the name that you give it.

    Args:
        make_lab: opens a new, empty store for the tables that it is given.
        settings: how long and how deep to look; by default as many runs as Hypothesis' profile says.
    """

    class Model(FleetModel):
        pass

    Model.make_lab = staticmethod(make_lab)
    case: type[TestCase] = Model.TestCase
    case.settings = settings or hypothesis.settings(  # type: ignore[attr-defined]  # Hypothesis' own way
        stateful_step_count=30,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )
    return case
