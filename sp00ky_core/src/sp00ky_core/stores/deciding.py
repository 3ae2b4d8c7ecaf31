"""Kill, redrive, reclaim and clear: read, decide, write under a guard. The same in every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from sp00ky_core.errors import IllegalTransition
from sp00ky_core.job import Job
from sp00ky_core.machine import Event, Killed, Lost, Redriven, decide
from sp00ky_core.ports import OperatorFate, OperatorResult, SettleFate, Settlement, SettleResult
from sp00ky_core.retry import MAX_RETRIES, RetryPolicy

__all__ = ["DecidingStore"]

TRIES = 5
"""How often a row that changes between the read and the guarded write is read again."""


class DecidingStore(ABC):
    """A base for stores: an adapter writes five private calls, and inherits four of the port."""

    @abstractmethod
    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        """The jobs of these ids that exist, whole, in any order; an id of no known table is left out."""

    @abstractmethod
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write transitions, each under its guard; their fates, in order."""

    @abstractmethod
    async def _lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        """``processing`` rows whose lease has run out or is missing, or whose runner is dead."""

    @abstractmethod
    async def _beats(self) -> Mapping[str, datetime]:
        """Every runner's last beat, as ``beat`` gives them."""

    @abstractmethod
    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """Delete those of these jobs that have ended; their ids, each with None.

        One that the database keeps has what it said of it instead, and costs no other.
        """

    def _canonical(self, job_id: str) -> str:
        """An id as jobs of this store have it, where it may be given in other ways too."""
        return job_id

    async def reclaim(self, dead_runners: Mapping[str, datetime], *, limit: int = 500) -> list[Settlement]:
        """See ``Store.reclaim``."""
        jobs = await self._lost(dead_runners, limit)
        if any(job.runner_id in dead_runners for job in jobs):
            # A runner claims after it has beaten: who hasn't by now has made none of these claims since.
            beats = await self._beats()
            alive = {each for each, seen in dead_runners.items() if beats.get(each, seen) != seen}
            jobs = [job for job in jobs if job.runner_id not in alive]
        settlements = [settlement_of(job, Lost(reason=_loss(job, dead_runners))) for job in jobs]
        results = await self._apply(settlements) if settlements else []
        pairs = zip(settlements, results, strict=True)
        return [each.as_written(result) for each, result in pairs if result.fate is SettleFate.SETTLED]

    async def kill(
        self, job_ids: Sequence[str], *, reason: str = "killed by an operator"
    ) -> list[OperatorResult]:
        """See ``Store.kill``."""
        return await self._operate(job_ids, Killed(reason=reason), OperatorFate.KILLED)

    async def redrive(self, job_ids: Sequence[str], *, resend_unknown: bool = False) -> list[OperatorResult]:
        """See ``Store.redrive``."""
        return await self._operate(job_ids, Redriven(resend_unknown=resend_unknown), OperatorFate.REDRIVEN)

    async def clear(self, job_ids: Sequence[str]) -> list[OperatorResult]:
        """See ``Store.clear``."""
        asked = [self._canonical(each) for each in job_ids]
        ended = await self._delete_ended(asked)
        left = {job.id: job for job in await self._load([each for each in asked if each not in ended])}
        results = [
            _ended(each, ended[each]) if each in ended else _left(each, left.get(each)) for each in asked
        ]
        return _as_asked(job_ids, results)

    async def _operate(
        self, job_ids: Sequence[str], event: Event, done: OperatorFate
    ) -> list[OperatorResult]:
        results: dict[str, OperatorResult] = {}
        asked = [self._canonical(each) for each in job_ids]
        open_ids = list(dict.fromkeys(asked))
        for _ in range(TRIES):
            if not open_ids:
                break
            results |= await self._operate_once(open_ids, event, done)
            open_ids = [each for each in open_ids if results[each].fate is OperatorFate.CHANGED]
        return _as_asked(job_ids, [results[job_id] for job_id in asked])

    async def _operate_once(
        self, job_ids: Sequence[str], event: Event, done: OperatorFate
    ) -> dict[str, OperatorResult]:
        jobs = await self._load(job_ids)
        found = {job.id for job in jobs}
        results = {
            job_id: OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
            for job_id in job_ids
            if job_id not in found
        }
        settlements, refused = _decide_all(jobs, event)
        results |= refused
        for result in await self._apply(settlements) if settlements else ():
            fate = {SettleFate.SETTLED: done, SettleFate.DUPLICATE: OperatorFate.DUPLICATE}.get(
                result.fate, OperatorFate.CHANGED
            )
            problem = result.problem
            if problem and fate is OperatorFate.CHANGED:
                problem = f"job {result.job_id} is as it was: {problem}"
            results[result.job_id] = OperatorResult(job_id=result.job_id, fate=fate, problem=problem)
        return results


def _as_asked(job_ids: Sequence[str], results: Sequence[OperatorResult]) -> list[OperatorResult]:
    """Results under the ids that were given, in whatever notation."""
    pairs = zip(job_ids, results, strict=True)
    return [attrs.evolve(result, job_id=job_id) for job_id, result in pairs]


def settlement_of(job: Job, event: Event) -> Settlement:
    """Decide what an event that no backend caused makes of a job. Raises ``IllegalTransition``."""
    # A hostile row's max_retries is out of a policy's range.
    policy = RetryPolicy(max_retries=min(max(job.max_retries, 0), MAX_RETRIES))
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        status=job.status,
        transition=decide(job, event, policy),
    )


def _decide_all(jobs: Iterable[Job], event: Event) -> tuple[list[Settlement], dict[str, OperatorResult]]:
    settlements: list[Settlement] = []
    refused: dict[str, OperatorResult] = {}
    for job in jobs:
        try:
            settlements.append(settlement_of(job, event))
        except IllegalTransition as error:
            refused[job.id] = OperatorResult(job_id=job.id, fate=OperatorFate.ILLEGAL, problem=str(error))
    return settlements, refused


def _loss(job: Job, dead: Collection[str]) -> str:
    if job.lease_until is None:
        return "processing without a lease: a client or an older runner wrote it so"
    if job.runner_id in dead:
        return f"its runner {job.runner_id} stopped beating"
    return "its lease ran out"


def _ended(job_id: str, kept: str | None) -> OperatorResult:
    if kept is None:
        return OperatorResult(job_id=job_id, fate=OperatorFate.CLEARED)
    problem = f"job {job_id} can't be deleted: {kept}"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)


def _left(job_id: str, left: Job | None) -> OperatorResult:
    if left is None:
        return OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
    problem = f"job {job_id} is {left.status.value}: only ended jobs are cleared; see: sp00ky jobs kill"
    if left.is_terminal:
        problem = f"job {job_id} can't be deleted: the database refuses it"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)
