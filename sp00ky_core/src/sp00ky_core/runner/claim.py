"""Claims: free places are filled with one claim for all backends, and what is claimed is held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping

import attrs

from sp00ky_core.breaker import BreakerState
from sp00ky_core.errors import RowRefused, Sp00kyError, StoreUnavailable
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.metrics.observer import Observer
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import Claim, Store
from sp00ky_core.runner.breaker.reporting import Breakers
from sp00ky_core.runner.in_flight import Held, Holdings
from sp00ky_core.runner.maintenance.heartbeat import Beat
from sp00ky_core.runner.maintenance.store_log import StoreLog
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.settle import Settler
from sp00ky_core.runner.steering.limit import Limits
from sp00ky_core.runner.steering.pause import Pauses
from sp00ky_core.runner.wakeup import Wake
from sp00ky_core.runner.workers import Slots
from sp00ky_core.stores.backoff import Backoff

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_WAIT = 1.0
"""Seconds that a claim may wait for a place before it is given back."""

SHORTEST_REST = 0.001
"""Seconds that are worth waiting."""


@attrs.define(kw_only=True, eq=False, slots=False)
class Claimer:
    """Claims for every backend that has free places and may have work."""

    _store: Store
    _slots: Mapping[str, Slots]
    _holdings: Holdings
    _settler: Settler
    _beat: Beat
    _wake: Wake
    _breakers: Breakers
    _pauses: Pauses
    _limits: Limits
    _hooks: Hooks
    _options: RunnerOptions
    _store_log: StoreLog
    _observer: Observer

    def __attrs_post_init__(self) -> None:
        self._observed = self._hooks.observes("sp00ky_jobs_claimed")
        # Why the last claim got nothing, if the database won't write a row.
        self.refused: RowRefused | None = None
        self._stopping = False
        self._claim_seconds = 0.0  # how long the last one took
        self._look_at = float("inf")  # when all backends are to be claimed for again
        self._strays = False  # rows may be this runner's without its holding them: a claim's reply was lost
        self._given_back: set[str] = set()  # those of them of which this runner knows
        self._claiming = asyncio.Lock()  # a release must never overlap a claim of this runner

    async def run(self) -> None:
        """Claim until stopped."""
        backoff = Backoff(self._options.random)
        while not self._stopping:
            try:
                await self._step()
                backoff.reset()
            except Exception as error:
                self._strays = True  # whatever broke: the database may have claimed before it did
                self._wake.all_may_have_work()
                if not isinstance(error, Sp00kyError):
                    raise
                self._store_log.failed("can't claim", error)
                self.refused = error if isinstance(error, RowRefused) else self.refused
                await backoff.wait()

    @property
    def is_stopping(self) -> bool:
        """Whether the runner drains: nothing is claimed or started any more."""
        return self._stopping

    def stop(self) -> None:
        """Claim no more; a claim that is under way may come back first."""
        self._stopping = True
        self._wake.freed()

    async def _step(self) -> None:
        if self._strays:
            await self._beat.fresh()
            await self._release_strays()
        self._look_if_time()
        wanted = self._wanted()
        if wanted:
            await self._beat.fresh()
            await self._claim(wanted)
        else:
            await self._rest()

    async def _release_strays(self) -> None:
        """Before the next claim, if the database lets them go; else with the reclaimer's rounds."""
        try:
            await self.release()
        except StoreUnavailable:
            raise
        except Sp00kyError as error:
            self._store_log.count(error)
            logger.warning("claims can't be released yet: %s", error)
            self._strays = False

    def _wanted(self) -> dict[str, int]:
        if self._settler.is_full:
            return {}
        return {name: wanted for name in self._hungry() if (wanted := self._slots[name].wanted)}

    def _hungry(self) -> list[str]:
        """Backends for which a claim may find something, if there is a place."""
        return [name for name in self._slots if self._wake.may_have_work(name) and not self._holds_back(name)]

    def _holds_back(self, backend: str) -> bool:
        """Whether nothing is to be claimed for the backend now."""
        is_silent = self._slots[backend].ramp_up.silent_for(self._options.clock()) > 0
        is_steered = self._pauses.seconds(backend) > 0 or self._limits.seconds(backend) > 0
        return is_silent or is_steered or self._breakers.holds_back(backend)

    def _silent_for(self) -> float:
        """Seconds until a backend that holds back may be claimed for; infinite: none does."""
        now = self._options.clock()
        pauses = [each.ramp_up.silent_for(now) for each in self._slots.values()]
        waits = (pause for pause in pauses if pause > 0)
        return min(self._breakers.seconds(), self._pauses.shortest(), *waits)

    async def _rest(self) -> None:
        """Wait for an event, for the next job, or until a backend that holds back may be claimed for."""
        idle = min(await self._idle_seconds(), self._silent_for())
        now, limited = self._options.clock(), self._limits.shortest()
        if self._wanted():
            return  # what held a backend back has ended meanwhile, and isn't among what is waited for
        self._look_at = min(self._look_at, now + idle)
        is_limited = now + limited < self._look_at
        seconds = max(min(self._look_at - now, limited), SHORTEST_REST)
        has_event = await self._wake.wait(seconds, is_of_all=not is_limited)
        if not (is_limited or has_event):
            self._look_at = float("inf")

    def _look_if_time(self) -> None:
        """Claim for all backends once it is time to, however many events have come meanwhile."""
        if self._options.clock() >= self._look_at:
            self._look_at = float("inf")
            self._wake.all_may_have_work()

    async def _idle_seconds(self) -> float:
        """Return how long to wait: for a place to be freed, or for the next job."""
        if self._hungry() or self._settler.is_full:
            return self._options.poll
        asked = [name for name in self._slots if not self._holds_back(name)]
        return self._wake.idle_seconds(await self._store.next_due(asked) if asked else None)

    async def _claim(self, wanted: Mapping[str, int]) -> None:
        async with self._claiming:
            claimed_at = self._options.clock()
            self._wake.expect_nothing(wanted)
            self._breakers.claiming(wanted)
            for name in wanted:
                self._slots[name].measure(claimed_at, self._claim_seconds)
            with self._observer.claiming():
                jobs = self._own(await self._store.claim(wanted, self._options.runner_id))
            received_at = self._options.clock()
            self._claim_seconds = received_at - claimed_at
            helds = [self._held(job, claimed_at, received_at) for job in jobs]
            self._holdings.add(helds)
        self._breakers.claimed(wanted, jobs, helds)
        self._heed_pauses(wanted.keys(), jobs)
        self._limits.claimed(wanted, jobs)
        self._wake.claimed(wanted, jobs)
        self._wake.may_have_more(filter(self._holds_back, wanted))
        if jobs:
            self.refused = None
        if jobs and self._observed:
            claimed = [held.job for held in helds]
            self._hooks.dispatch_soon("sp00ky_jobs_claimed", jobs=claimed, runner_id=self._options.runner_id)
        by_backend: dict[str, list[Held]] = {}
        for held in helds:
            by_backend.setdefault(held.table.backend, []).append(held)
        for name, some in by_backend.items():
            self._slots[name].put(some)
        await asyncio.sleep(0)  # the first attempt begins before the next statement is written

    def _own(self, claim: Claim) -> Claim:
        """Leave out what isn't claimed by this runner, whatever a store returns: it mustn't be sent."""
        runner_id, processing = self._options.runner_id, JobStatus.PROCESSING
        own = [job for job in claim if job.status is processing and job.runner_id == runner_id]
        if len(own) == len(claim):
            return claim
        job = next(job for job in claim if job not in own)
        text = "%d jobs of a claim aren't this runner's and won't be sent; job %s is %s, its runner_id %s"
        logger.error(text, len(claim) - len(own), job.id, job.status, job.runner_id)
        return Claim(own, breakers=claim.breakers, paused=claim.paused, retry_in=claim.retry_in)

    def _heed_pauses(self, backends: Collection[str], claim: Claim) -> None:
        """Start small again with a backend that another runner was asked to leave alone, too.

        What is claimed of one that an operator has paused is released.
        """
        for name in backends:
            breaker = claim.breakers.get(name)
            if breaker is not None and breaker.state is BreakerState.CLOSED and breaker.paused_for > 0:
                self._slots[name].ramp_up.pause(self._options.clock(), breaker.paused_for)
        self._pauses.claimed(backends, claim)
        for name in claim.paused:
            for held in self._slots[name].take_ready():
                self.let_go(held)

    def _held(self, job: Job, claimed_at: float, received_at: float) -> Held:
        slots = self._slots[job.backend]
        backend = slots.backend
        if backend.sharing:
            backend = backend.serving(job.path)
        names = (backend.name, backend.contract.name(job.path))
        if names != (job.backend, job.path):
            job = attrs.evolve(job, backend=names[0], path=names[1])
        return Held(
            job=job,
            backend=backend,
            timeout=backend.table.attempt_timeout(job.timeout),
            table=slots.table,
            claimed_at=claimed_at,
            received_at=received_at,
        )

    def _drop_stale(self) -> None:
        """Release claims whose lease would run out while they wait for a place: they would count as lost."""
        for slots in self._slots.values():
            for held in slots.take_stale(self._options.clock() - LONGEST_WAIT):
                self.let_go(held)

    def let_go(self, held: Held) -> None:
        """Hold a claim no longer that isn't to be started: the next release gives it back."""
        self._holdings.drop(held)
        self._breakers.unsent(held)
        if held.table.max_in_flight is not None:
            self._limits.forget(held.table.backend)
        self._given_back.add(held.job.id)
        self._strays = True

    def give_back(self, held: Held) -> None:
        """Let go of a claim, and see to it that it is released."""
        self.let_go(held)
        self._wake.all_may_have_work()

    async def release(self) -> list[str]:
        """Give back every claim in the store that this runner doesn't hold.

        A claim whose reply was lost leaves such rows, whose ids are returned; what was let go of does, too.
        """
        async with self._claiming:
            self._drop_stale()
            self._strays = False  # what is given back from here on is for the next one
            known, self._given_back = self._given_back, set()
            try:
                released = await self._store.release(self._options.runner_id, keep=self._holdings.ids())
            except BaseException:
                self._strays = True
                self._given_back |= known
                raise
            return [job_id for job_id in released if job_id not in known]
