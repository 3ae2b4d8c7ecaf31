"""Reclaim lost claims, release strays, and delete what is old."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice

import attrs

from sp00ky_core.errors import JobNotFound, Sp00kyError
from sp00ky_core.gate.gate import Gate
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import OverdueClaim, Settlement, Spared, Store
from sp00ky_core.runner.claim import Claimer
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.holdings import Holdings
from sp00ky_core.runner.liveness import Beat
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.named_jobs import NamedJobs

logger: logging.Logger = logging.getLogger(__name__)


RECLAIM_BATCH = 500
RECLAIM_ROUNDS = 20
"""Batches at a time: as many claims as a runner may have held are pending again at once."""
OVERDUE_BATCH = 2_000
"""Claims looked at in each round."""

MOST_REMEMBERED = 10_000


class Overdue:
    """Remembers since when claims have been overdue: the database's clock may jump, this runner's doesn't."""

    def __init__(self) -> None:
        self._since: dict[OverdueClaim, float] = {}

    def seen(
        self, claims: Sequence[OverdueClaim], now: float, *, all_listed: bool, held: Collection[str]
    ) -> list[OverdueClaim]:
        """Note what is overdue now; return what has been so for as long as a lease lasts.

        With ``all_listed`` a claim that isn't listed is overdue no longer; jobs ``held`` here aren't lost.
        """
        listed = {claim: self._since.get(claim, now) for claim in claims}
        others = {} if all_listed else self._since
        known = {**listed, **{claim: since for claim, since in others.items() if claim not in listed}}
        self._since = dict(islice(known.items(), MOST_REMEMBERED))
        return [
            claim
            for claim, since in listed.items()
            if now - since >= claim.lasts and claim.job_id not in held
        ]


@attrs.define(eq=False, slots=False)
class Reclaimer:
    """Takes back lost claims, beside the claims of every runner: any number may, there is no leader."""

    _store: Store
    _hooks: Hooks
    _options: RunnerOptions
    _observer: Observer
    _jobs: NamedJobs
    _beat: Beat
    _claimer: Claimer
    _gates: Collection[Gate]
    _holdings: Holdings
    _written: Callable[[Iterable[tuple[Settlement, None]]], None]
    _pruner: Pruner

    def __attrs_post_init__(self) -> None:
        self._overdue = Overdue()

    async def run(self) -> None:
        """Look after the table until cancelled."""
        while True:
            await self._beat.next(2 * self._options.beat_interval)  # who is dead shows with a beat
            self._holdings.cut_off(self._options.clock())
            await self._round()

    async def _round(self) -> None:
        """Run each part on its own: what one of them can't do must not keep the others from theirs."""
        for step in (self._release, self._reclaim, self._pruner.prune):
            if not self._beat.is_steady():
                return
            try:
                await step()
            except Sp00kyError as error:
                self._observer.failed("can't look after the tables", error)

    async def _release(self) -> None:
        released = await self._claimer.release()
        if released:
            logger.warning("released %d claims whose reply was lost", len(released))

    async def _reclaim(self) -> None:
        dead, beating = self._beat.dead(), self._beat.beating()
        overdue = await self._seen_long_enough(beating)
        for _ in range(RECLAIM_ROUNDS):
            settlements = await self._store.reclaim(
                dead, beating=beating, overdue=overdue, limit=RECLAIM_BATCH
            )
            await self._report_all(settlements)
            if len(settlements) < RECLAIM_BATCH:
                break
        for gate in self._gates:
            gate.lost(dead)

    async def _seen_long_enough(self, beating: Collection[str]) -> list[OverdueClaim]:
        """List claims of runners that beat, this one too, which are over by this runner's clock as well."""
        claims = await self._store.overdue(beating, limit=OVERDUE_BATCH)
        return self._overdue.seen(
            claims,
            self._options.clock(),
            all_listed=len(claims) < OVERDUE_BATCH,
            held=frozenset(self._holdings.ids()),
        )

    async def _report_all(self, settlements: Iterable[Settlement]) -> None:
        for settlement in settlements:
            error = settlement.transition.error
            logger.warning(
                "job %s: reclaimed, now %s: %s",
                settlement.job_id,
                settlement.transition.to,
                error.reason if error else "",
                extra={"event": "reclaimed", "job_id": settlement.job_id, "backend": settlement.backend},
            )
            self._written([(settlement, None)])
            if self._hooks.observes("sp00ky_job_settled"):
                with suppress(JobNotFound):  # its owner has deleted it meanwhile
                    job = await self._jobs.get(settlement.job_id)
                    self._hooks.dispatch_soon("sp00ky_job_settled", job=job, transition=settlement.transition)


PRUNE_BATCH = 1_000
PRUNE_ROUNDS = 100
"""Batches at a time: a large heap is taken away bit by bit, between reclaims."""


@attrs.define(eq=False, slots=False)
class Pruner:
    """Deletes ended jobs once in ``prune_interval``, and sooner where there are more of them."""

    _store: Store
    _options: RunnerOptions
    _before_prune: Callable[[], Awaitable[Collection[Spared]]]
    """Lets extensions read what must be read of jobs before they go; returns which are spared."""

    def __attrs_post_init__(self) -> None:
        self._next_prune = self._options.clock() + self._options.prune_interval * self._options.random()

    async def prune(self) -> None:
        """Delete what is old, if it is time to; what fails is tried later again."""
        now = self._options.clock()
        if now < self._next_prune:
            return
        self._next_prune = now + self._options.prune_interval
        spared = await self._before_prune()
        for _ in range(PRUNE_ROUNDS):
            if await self._store.prune(limit=PRUNE_BATCH, spared=spared) < PRUNE_BATCH:
                return
        self._next_prune = now  # there is more: a fast queue would outgrow its retention
