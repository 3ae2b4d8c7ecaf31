"""Claim for the backends that have free places and may have work, and hold what is claimed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.errors import RowRefused, Sp00kyError, StoreUnavailable
from sp00ky_core.gate.breaker import NEW
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import Claim, JobTable, Store
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.holdings import Held, Holdings
from sp00ky_core.runner.liveness import Beat, Claims
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.settle import Settler
from sp00ky_core.runner.slots import Slots
from sp00ky_core.stores.subscription import Backoff
from sp00ky_openapi.payload import PayloadCheck

logger: logging.Logger = logging.getLogger(__name__)


LONGEST_WAIT = 1.0
"""Seconds that a claim may wait for a place before it is given back."""

SHORTEST_REST = 0.001
"""Seconds that are worth waiting."""

SHORTEST_IDLE = 0.05
"""Seconds to wait, doubling up to the poll, where a job is due that a claim doesn't get (another runner is
taking it)."""


class Wake:
    """Knows which backends may have work, and wakes the claimer when one of them does."""

    def __init__(self, backends: Iterable[str], options: RunnerOptions) -> None:
        self._options = options
        self._backends = frozenset(backends)
        self._may_have_work = set(self._backends)
        self._event = asyncio.Event()
        self.freed: Callable[[], None] = self._event.set  # notes a free place
        self._futile = SHORTEST_IDLE

    def may_have_work(self, backend: str) -> bool:
        """Whether a claim for the backend may find something."""
        return backend in self._may_have_work

    def all_may_have_work(self) -> None:
        """Note that the store has signalled, or that nothing is known any more."""
        self._may_have_work.update(self._backends)
        self._event.set()

    def expect_nothing(self, backends: Iterable[str]) -> None:
        """Note that a claim is about to be sent: only a signal that comes after this counts."""
        self._may_have_work.difference_update(backends)

    def may_have_more(self, backend: str) -> None:
        """Note that a claim got nothing, or not all, that was due."""
        self._may_have_work.add(backend)

    def claimed(self, wanted: Mapping[str, int], jobs: Sequence[Job]) -> None:
        """Note a claim's result: a backend that filled all its places may have more."""
        counts = Counter([job.backend for job in jobs])
        self._may_have_work.update(backend for backend, places in wanted.items() if counts[backend] >= places)
        if jobs:
            self._futile = SHORTEST_IDLE

    def idle_seconds(self, due: float | None) -> float:
        """Return how long to wait where no backend is known to have work; ``due``: seconds to a job."""
        poll = self._options.poll * (0.9 + 0.2 * self._options.random())
        if due is None:
            return poll
        if due > 0:
            return min(due, poll)
        self._futile = min(self._futile * 2, poll)
        return self._futile

    async def wait(self, seconds: float, *, is_of_all: bool = True) -> bool:
        """Wait for something to happen; return whether it did.

        When nothing does, every backend may have work again, unless not ``is_of_all``.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            if is_of_all:
                self.all_may_have_work()
            return False
        finally:
            self._event.clear()
        return True


@attrs.define(eq=False, slots=False)
class Claimer:
    """Claims for every backend that has free places and may have work.

    Attributes:
        is_stopping: The runner drains: nothing is claimed or started any more.
        claims: Whether the claims go through.
    """

    _store: Store
    _hooks: Hooks
    _options: RunnerOptions
    _observer: Observer
    _slots: Mapping[str, Slots]
    _holdings: Holdings
    _settler: Settler
    _beat: Beat
    _wake: Wake

    def __attrs_post_init__(self) -> None:
        self._observed = self._hooks.observes("sp00ky_jobs_claimed")
        # Why the last claim got nothing, if the database won't write a row.
        self.refused: RowRefused | None = None
        self.is_stopping: bool = False
        self.claims: Claims = Claims(self._options.clock)
        self._claim_seconds = 0.0  # how long the last one took
        self._look_at = float("inf")  # when all backends are to be claimed for again
        self._strays = False  # rows may be this runner's without its holding them: a claim's reply was lost
        self._given_back: set[str] = set()  # those of them of which this runner knows
        self._adjusted: dict[str, Backend] = {}  # what the next claim takes over
        self._claiming = asyncio.Lock()  # a release must never overlap a claim of this runner

    @property
    def has_strays(self) -> bool:
        """Whether rows may be this runner's that it doesn't hold, or no more: a release gives them back."""
        return self._strays

    async def run(self) -> None:
        """Claim until stopped."""
        backoff = Backoff(self._options.random)
        while not self.is_stopping:
            try:
                await self._step()
                backoff.reset()
            except Exception as error:
                self._strays = True  # whatever broke: the database may have claimed before it did
                self._wake.all_may_have_work()
                if not isinstance(error, Sp00kyError):
                    raise
                self._observer.failed("can't claim", error)
                self.refused = error if isinstance(error, RowRefused) else self.refused
                await backoff.wait()

    def stop(self) -> None:
        """Claim no more; a claim that is under way may come back first."""
        self.is_stopping = True
        self._wake.freed()

    def adjust(self, name: str, backend: Backend) -> None:
        """Have a backend's jobs claimed and sent as this one says, from the next claim on."""
        self._adjusted[name] = backend
        self._wake.freed()

    def _take_over_adjusted(self) -> None:
        """Use what ``adjust`` was given, between two claims: jobs keep the lease of their claim."""
        while self._adjusted:
            name, backend = self._adjusted.popitem()
            self._slots[name].adjust(backend)
            self._store.use(self._slots[name].table)
            self._wake.may_have_more(name)

    async def _step(self) -> None:
        self._take_over_adjusted()
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
        """Release strays before the next claim; where the database refuses, leave them to the reclaimer."""
        try:
            await self.release()
        except StoreUnavailable:
            raise
        except Sp00kyError as error:
            self._observer.failed("claims can't be released yet", error)
            self._strays = False

    def _wanted(self) -> dict[str, int]:
        if self._settler.is_full:
            return {}
        return {name: wanted for name in self._hungry() if (wanted := self._slots[name].wanted)}

    def _hungry(self) -> list[str]:
        """List the backends for which a claim may find something, if there is a place."""
        return [
            name
            for name, slots in self._slots.items()
            if self._wake.may_have_work(name) and slots.gate.may_claim()
        ]

    async def _rest(self) -> None:
        """Wait for an event, for the next job, or until a backend that holds back may be claimed for."""
        gates = [slots.gate for slots in self._slots.values()]
        idle = min(await self._idle_seconds(), _shortest(gate.silent_for() for gate in gates))
        now, limited = self._options.clock(), _shortest(gate.limited_for() for gate in gates)
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
        asked = [name for name, slots in self._slots.items() if slots.gate.may_claim()]
        return self._wake.idle_seconds(await self._store.next_due(asked) if asked else None)

    async def _claim(self, wanted: Mapping[str, int]) -> None:
        async with self._claiming:
            claimed_at = self._options.clock()
            self._wake.expect_nothing(wanted)
            for name in wanted:
                self._slots[name].gate.claiming()
                self._slots[name].measure(claimed_at, self._claim_seconds)
            with self.claims.under_way():
                jobs = self._own(await self._store.claim(wanted, self._options.runner_id))
            received_at = self._options.clock()
            self._claim_seconds = received_at - claimed_at
            helds = self._held(jobs, claimed_at, received_at)
            self._holdings.add(helds)
        self._take_over(wanted, jobs, helds)
        if jobs:
            self.refused = None
        if jobs and self._observed:
            claimed = [held.job for held in helds]
            self._hooks.dispatch_soon("sp00ky_jobs_claimed", jobs=claimed, runner_id=self._options.runner_id)
        await asyncio.sleep(0)  # the first attempt begins before the next statement is written

    def _take_over(self, wanted: Mapping[str, int], claim: Claim, helds: Sequence[Held]) -> None:
        """Tell gates what the claim found, and give the slots their jobs; release what is paused now."""
        by_backend: dict[str, list[Held]] = {}
        for held in helds:
            by_backend.setdefault(held.table.backend, []).append(held)
        self._wake.claimed(wanted, claim)
        for name in wanted:
            slots, jobs = self._slots[name], by_backend.get(name, [])
            breaker, paused = claim.breakers.get(name, NEW), claim.paused.get(name)
            slots.gate.claimed(jobs, breaker, paused=paused, retry_in=claim.retry_in.get(name))
            if not slots.gate.may_claim():
                self._wake.may_have_more(name)
            for held in slots.take_ready() if paused is not None else ():
                self.let_go(held)
            if jobs:
                slots.put(jobs)

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

    def _held(self, jobs: Iterable[Job], claimed_at: float, received_at: float) -> list[Held]:
        helds = []
        for job in jobs:
            slots = self._slots[job.backend]
            backend = slots.backend
            if backend.sharing:
                backend = backend.serving(job.path)
            check = backend.contract.check(job.path)
            own, name = backend.table, backend.config.name
            path = check.operation.name if check else backend.contract.name(job.path)
            held = Held(
                job=job,
                backend=backend,
                check=check,
                timeout=_own_timeout(own, check) if job.timeout is None else own.attempt_timeout(job.timeout),
                table=slots.table,
                claimed_at=claimed_at,
                received_at=received_at,
            )
            if path != job.path or name != job.backend:
                held.job = attrs.evolve(job, backend=name, path=path)
            helds.append(held)
        return helds

    def let_go(self, held: Held) -> None:
        """Stop holding a claim that isn't to be started: the next release gives it back."""
        self._holdings.drop([held])
        gate = self._slots[held.table.backend].gate
        gate.unsent(held)
        if held.table.max_in_flight is not None:
            gate.limit.forget()
        self._given_back.add(held.job.id)
        self._strays = True

    def give_back(self, held: Held) -> None:
        """Let go of a claim, and see to it that it is released."""
        self.let_go(held)
        self._wake.all_may_have_work()

    async def release(self) -> list[str]:
        """Give back every claim in the store that this runner doesn't hold.

        Such rows are left by ``let_go``, and by claims whose reply was lost: the ids of these are returned.
        """
        async with self._claiming:
            for slots in self._slots.values():
                for held in slots.take_stale(self._options.clock() - LONGEST_WAIT):
                    self.let_go(held)  # its lease would run out while it waits: it would count as lost
            self._strays = False  # what is given back from here on is for the next one
            known, self._given_back = self._given_back, set()
            try:
                released = await self._store.release(self._options.runner_id, keep=self._holdings.ids())
            except BaseException:
                self._strays = True
                self._given_back |= known
                raise
            return [job_id for job_id in released if job_id not in known]


def _own_timeout(table: JobTable, check: PayloadCheck | None) -> float:
    """Return the seconds for a job whose row says none: its operation's, unless its lease is too short."""
    own = check.operation.timeout if check is not None and table.timeout_overridable else None
    return table.timeout if own is None else min(own, table.timeout)


def _shortest(waits: Iterable[float]) -> float:
    """Return the shortest of several waits; infinite: there is none."""
    return min((wait for wait in waits if wait > 0), default=float("inf"))
