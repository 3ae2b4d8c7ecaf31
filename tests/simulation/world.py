"""A store, its runners, a backend and the time: what can happen to them, one method each."""

import asyncio
import random as randomness
from datetime import timedelta
from pathlib import Path
from typing import cast

from tests.simulation.gate import Call, Flight, GatedStore, GatedTransport
from tests.simulation.labs import Lab
from tests.simulation.ledger import Ledger
from tests.simulation.member import SimulatedRunner
from tests.simulation.virtual import VirtualLoop

from sp00ky_core.config import RetryConfig
from sp00ky_core.errors import Sp00kyError, StoreUnavailable
from sp00ky_core.gate.breaker import BreakerChange, never_connected
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome
from sp00ky_core.ports import BreakerResult, JobQuery, JobTable, OperatorFate, Store
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.stores.transitions import kill, retry
from sp00ky_core.testing.perform import FakeClock, outbox_over

__all__ = ["BACKEND", "World"]

BACKEND = "api"
STEP = 2.0
"""Seconds between two looks while time passes smoothly; a runner beats as often."""
LONGEST_END = 3_600.0
"""Seconds in which everything must have ended once nothing goes wrong any more."""


class World:
    """Everything that a test decides about; ``ledger`` keeps the account."""

    def __init__(self, lab: Lab, tables: tuple[JobTable, ...], folder: Path) -> None:
        self.clock = FakeClock()
        self.lab = lab
        self.ledger = Ledger(tables, self.clock.monotonic)
        self.runners: list[SimulatedRunner] = []  # that live
        self.late: list[Call] = []  # given up by their runners, and still on their way to the store
        self._random = randomness.Random(0)  # noqa: S311  # jitter, the same each time
        retry = RetryConfig(base=1, cap=5)
        self._outbox = outbox_over(lab.store, tables, folder, retry=retry, timeout=tables[0].timeout)

    # --- what applications and operators do ---

    def enqueue(
        self, max_retries: int, *, ordering_key: str | None = None, expires_in: float | None = None
    ) -> str:
        """Add a job; its id."""
        new_job = NewJob(
            path="/spookify",
            backend=BACKEND,
            max_retries=max_retries,
            ordering_key=ordering_key,
            expires_at=None if expires_in is None else self.clock.now() + timedelta(seconds=expires_in),
        )
        (job,) = self.lab.run(self.lab.store.add([new_job]))
        self.ledger.added(job)
        self._signal()
        return job.id

    def kill(self, job_id: str) -> None:
        """End a job, if it hasn't ended."""
        (result,) = self.lab.run(kill(self.lab.store, [job_id]))
        if result.fate is OperatorFate.KILLED:
            self.ledger.killed(job_id)

    def retry(self, job_id: str) -> None:
        """Make a job pending again, if it has failed."""
        (result,) = self.lab.run(retry(self.lab.store, [job_id], resend_unknown=True))
        if result.fate is OperatorFate.RETRIED:
            self.ledger.retried(job_id)
            self._signal()

    def pause(self) -> None:
        """Keep every later claim from the backend."""
        self.lab.run(self.lab.store.pause(BACKEND))
        self.ledger.is_paused = True
        self._signal()

    def resume(self) -> None:
        """End the pause, if there is one."""
        self.lab.run(self.lab.store.resume(BACKEND))
        self.ledger.is_paused = False
        self._signal()

    # --- what happens to runners ---

    def start(self) -> SimulatedRunner:
        """One more runner."""
        loop = VirtualLoop(self.clock.monotonic)
        store = GatedStore(self.lab.store, self.clock.monotonic, self.late.append)
        transport = GatedTransport(self.ledger.requested)
        runner = Runner(
            store=cast("Store", store),
            backends=self._outbox.backends,
            transports=dict.fromkeys(self._outbox.backends, transport),
            hooks=self._outbox.plugins.hooks(),
            strategies=self._outbox.plugins.strategies,
            options=RunnerOptions(
                clock=self.clock.monotonic, random=self._random.random, runner_id="r", unanswered=0.0
            ),
        )
        store.runner_id = transport.runner_id = runner.runner_id
        starting = loop.create_task(runner.start())
        simulated = SimulatedRunner(
            runner=runner, loop=loop, store=store, transport=transport, starting=starting
        )
        self.runners.append(simulated)
        self.run()
        return simulated

    def crash(self, simulated: SimulatedRunner) -> None:
        """The process is gone, between two instructions; what it had sent is still on its way."""
        self.runners.remove(simulated)
        self.late += [call for call in simulated.store.calls if not call.is_done]
        self._bury(simulated)

    def _bury(self, simulated: SimulatedRunner) -> None:
        late = list(self.late)
        simulated.transport.is_dead = True
        simulated.loop.end()
        self.late[:] = late  # what its tasks do when they are cancelled isn't part of the story

    def run(self) -> None:
        """Let every runner that isn't frozen do what it can at this time."""
        for runner in self.runners:
            if not runner.is_frozen:
                runner.loop.run_until_idle()
        for gone in [runner for runner in self.runners if runner.is_gone]:
            self.runners.remove(gone)
            left = asyncio.all_tasks(gone.loop)
            self.ledger.violations += [f"a runner that is gone leaves {task}" for task in left]
            self._bury(gone)

    # --- what happens to calls and requests ---

    def reach(self, call: Call) -> None:
        """A call reaches the store; its reply is on its way."""
        if call.is_done:
            return
        before = self.ledger.made_pending
        try:
            call.result = self.lab.run(getattr(self.lab.store, call.method)(*call.args, **call.options))
        except Sp00kyError as error:
            call.result = error
        else:
            self.ledger.answered(call, call.result)
        call.is_done = True
        if self.ledger.made_pending != before or _closes_breaker(call):
            self._signal()

    def answer(self, simulated: SimulatedRunner, call: Call) -> None:
        """A call reaches the store, if it hasn't yet, and its reply the runner."""
        simulated.store.calls.remove(call)
        self.reach(call)
        call.answer(call.result)
        self.run()

    def lose_reply(self, simulated: SimulatedRunner, call: Call) -> None:
        """A call reaches the store, if it hasn't yet; its reply is lost."""
        simulated.store.calls.remove(call)
        self.reach(call)
        call.answer(_unavailable("the reply was lost"))
        self.run()

    def delay(self, simulated: SimulatedRunner, call: Call) -> None:
        """The connection is lost, and the call may still reach the store, as it was sent.

        Not so a release: one that came after the next claim would give back what is being sent, and nothing
        guards against that. It is as good as impossible: a database would have to sit on a statement whose
        connection is gone, while it does two others of the same runner.
        """
        simulated.store.calls.remove(call)
        if call.method != "release" and not call.is_done:
            self.late.append(call)
        call.answer(_unavailable("no connection"))
        self.run()

    def arrive(self, call: Call) -> None:
        """A call whose runner has given it up reaches the store."""
        self.late.remove(call)
        self.reach(call)
        self.run()

    def respond(self, flight: Flight, outcome: Outcome) -> None:
        """The backend answers a request."""
        if isinstance(outcome, Delivered):
            self.ledger.delivered(flight.attempt)
        is_throttled = not isinstance(outcome, Delivered) and outcome.name == THROTTLED
        if never_connected(outcome) or (is_throttled and flight.attempt.job.max_retries > 0):
            self.ledger.refused(flight.attempt)
        if not flight.answer.done():
            flight.answer.set_result(outcome)
        self.run()

    def flights(self) -> list[Flight]:
        """Requests without an answer, of runners that live."""
        flights = [flight for runner in self.runners for flight in runner.transport.flights]
        return [flight for flight in flights if not flight.answer.done()]

    def flow(self) -> None:
        """Every call of every runner that is neither frozen nor cut off is answered, until there is none."""
        self.run()
        while calls := [
            (runner, call)
            for runner in self.runners
            if runner.is_connected
            for call in runner.store.calls
            if not call.is_stalled
        ]:
            for simulated, call in calls:
                if call in simulated.store.calls:
                    self.answer(simulated, call)

    # --- time ---

    def leap(self, seconds: float) -> None:
        """Time passes, and nothing else happens meanwhile."""
        self.clock.advance(seconds)
        self.lab.pass_time(seconds)
        self.run()

    def jump(self, seconds: float) -> None:
        """The database's clock goes forward, and no other."""
        self.lab.pass_time(seconds)

    def pass_smoothly(self, seconds: float) -> None:
        """Time passes, and every call is answered."""
        self.flow()
        while seconds > 0:
            self.leap(min(STEP, seconds))
            self.flow()
            seconds -= STEP

    def check(self) -> None:
        """The rows are what they must be, and no promise was broken."""
        self.ledger.compare(self.lab.run(self.lab.store.find(JobQuery(limit=1_000))))
        assert not self.ledger.violations, "\n".join(self.ledger.violations)

    def end(self) -> None:
        """From now on all goes well: every job must end, and every runner go."""
        for runner in self.runners:
            runner.is_frozen = runner.is_cut_off = False
        self.resume()
        self.run()
        for call in list(self.late):
            self.arrive(call)
        self.flow()  # a runner that can't start is gone then
        if not any(runner.draining is None for runner in self.runners):
            self.start()
        patience = LONGEST_END
        while not self.ledger.is_empty and patience > 0:
            self.pass_smoothly(STEP)
            for flight in self.flights():
                self.respond(flight, Delivered())
            patience -= STEP
        self.check()
        assert self.ledger.is_empty, f"a job doesn't end: {self.ledger.entries}"
        self._drain_all()
        self.check()

    def close(self) -> None:
        """Let go of everything, whatever state it is in."""
        for runner in list(self.runners):
            self.crash(runner)
        self.lab.close()

    def _drain_all(self) -> None:
        for runner in self.runners:
            runner.drain()
        for _ in range(60):
            if self.runners:
                self.pass_smoothly(STEP)
        assert not self.runners, "a runner doesn't end"

    def _signal(self) -> None:
        for runner in self.runners:
            runner.store.signal()


def _closes_breaker(call: Call) -> bool:
    is_written = isinstance(call.result, BreakerResult) and call.result.written
    return is_written and cast("BreakerChange", call.args[0]).closes


def _unavailable(problem: str) -> Sp00kyError:
    return StoreUnavailable(store="simulated", problem=problem)
