"""What every job must be by now, from what the store has answered; and whether the promises were kept."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs
from tests.simulation.gate import Call

from sp00ky_core.gate.breaker import BreakerState
from sp00ky_core.job.job import TERMINAL, Job, JobStatus
from sp00ky_core.ports import Attempt, Claim, JobTable, SettleFate, Settlement, SettleResult

__all__ = ["Entry", "Ledger"]

DEAD_AFTER = 6.0
"""Seconds without a beat that a runner may be taken for dead after."""
TOLERANCE = 0.5
"""Seconds that a real store's clock may be ahead of the virtual one."""


@attrs.define(kw_only=True)
class Entry:
    """One job."""

    job_id: str
    max_retries: int
    status: JobStatus = JobStatus.PENDING
    epoch: int = 0
    life: int = 0  # raised by each retry
    owner: str | None = None
    lease_end: float = 0.0
    ordering_key: str | None = None
    expires: float = math.inf


class Ledger:
    """Follows every call that has reached the store, and every request that has reached the backend."""

    def __init__(self, tables: Iterable[JobTable], clock: Callable[[], float]) -> None:
        self._tables = {table.backend: table for table in tables}
        self._clock = clock
        self.entries: dict[str, Entry] = {}
        self.violations: list[str] = []
        self.is_paused = False
        self.made_pending = 0  # how often a job has become pending again
        self._lives: dict[tuple[str, int], int] = {}  # job and epoch of a claim: the life that it belongs to
        self._excused: set[tuple[str, int]] = set()  # claims that were ended under their runner's hands
        self._delivered: set[tuple[str, int]] = set()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._beats: dict[str, float] = {}
        self._seen: Mapping[str, Callable[[Call, Any], None]] = {
            "claim": self._claimed,
            "settle": self._settled,
            "release": self._released,
            "reclaim": self._reclaimed,
            "beat": self._beaten,
        }

    def _must(self, kept: bool, promise: str, entry: Entry | None = None) -> None:
        if not kept:
            self.violations.append(f"at {self._clock():g} s: {promise}: {entry}")

    def added(self, job: Job) -> None:
        """A job was enqueued."""
        entry = Entry(job_id=job.id, max_retries=job.max_retries, ordering_key=job.ordering_key)
        if job.expires_at is not None and job.created_at is not None:
            entry.expires = self._clock() + (job.expires_at - job.created_at).total_seconds()
        self.entries[job.id] = entry

    def answered(self, call: Call, result: Any) -> None:
        """The store has done a call."""
        if call.method in self._seen:
            self._seen[call.method](call, result)

    def requested(self, runner_id: str, attempt: Attempt) -> None:
        """A request has arrived at the backend."""
        job = attempt.job
        entry, claim = self.entries[job.id], (job.id, job.lease_epoch)
        is_owner = entry.owner == runner_id and entry.epoch == job.lease_epoch
        self._must(is_owner or claim in self._excused, "only the row's owner sends", entry)
        if is_owner:
            fits = self._clock() + attempt.timeout <= entry.lease_end + 1e-6
            self._must(fits, "the timeout fits into the lease", entry)
        self._must(self._clock() < entry.expires, "nothing is sent after it has expired", entry)
        self._requests[claim] += 1
        self._must(self._requests[claim] == 1, "one request for each claim", entry)
        life = self._lives[claim]
        count = sum(
            n
            for request, n in self._requests.items()
            if request[0] == job.id and self._lives[request] == life
        )
        self._must(count <= 1 + entry.max_retries, "no more requests than 1 + max_retries", entry)

    def delivered(self, attempt: Attempt) -> None:
        """The backend has answered a request with 2xx."""
        self._delivered.add((attempt.job.id, attempt.job.lease_epoch))

    def refused(self, attempt: Attempt) -> None:
        """A request hasn't arrived after all: there was no connection."""
        self._requests[attempt.job.id, attempt.job.lease_epoch] -= 1

    def killed(self, job_id: str) -> None:
        """An operator has ended a job."""
        entry = self.entries[job_id]
        self._must(entry.status not in TERMINAL, "what has ended isn't killed", entry)
        self._excused.add((job_id, entry.epoch))  # its runner doesn't know
        self._end(entry, JobStatus.FAILED, bump=True, keeps_lease=True)

    def retried(self, job_id: str) -> None:
        """An operator has made a job pending again."""
        entry = self.entries[job_id]
        self._must(entry.status is JobStatus.FAILED, "only what failed is retried", entry)
        self._end(entry, JobStatus.PENDING, bump=True, keeps_lease=True)
        entry.life += 1

    def compare(self, jobs: Collection[Job]) -> None:
        """The store's rows must be what has been answered, and nothing else."""
        self._must({job.id for job in jobs} == self.entries.keys(), "no job is lost")
        for job in jobs:
            entry = self.entries[job.id]
            is_so = (job.status, job.lease_epoch) == (entry.status, entry.epoch)
            self._must(
                is_so, f"the row is as it was left, not {job.status} in epoch {job.lease_epoch}", entry
            )
            self._must(0 <= job.retries <= entry.max_retries, "retries are within max_retries", entry)

    def _claimed(self, call: Call, jobs: Claim) -> None:
        self._must(not (jobs and self.is_paused), "nothing is claimed of a paused backend")
        for backend, breaker in jobs.breakers.items():
            count = sum(job.backend == backend for job in jobs)
            is_probe = breaker.state is BreakerState.HALF_OPEN and breaker.probe_runner == call.runner_id
            most = len(jobs) if breaker.lets_through else int(is_probe)
            self._must(count <= most, f"nothing but a probe is claimed where the breaker is {breaker}")
        for job in jobs:
            entry, table = self.entries[job.id], self._tables[job.backend]
            self._must(entry.status is JobStatus.PENDING, "only what is pending is claimed", entry)
            self._must(job.lease_epoch == entry.epoch + 1, "a claim raises the epoch", entry)
            self._must(self._is_next(entry), "jobs of a key are delivered one at a time, in order", entry)
            entry.status, entry.epoch, entry.owner = JobStatus.PROCESSING, job.lease_epoch, call.runner_id
            entry.lease_end = self._clock() + table.attempt_timeout(job.timeout) + table.lease_margin
            self._lives[job.id, job.lease_epoch] = entry.life

    def _is_next(self, entry: Entry) -> bool:
        """Whether a job may be sent, as far as others of its key are concerned."""
        if entry.ordering_key is None:
            return True
        of_key = [other for other in self.entries.values() if other.ordering_key == entry.ordering_key]
        is_first = all(other.status in TERMINAL for other in of_key[: of_key.index(entry)])
        is_alone = all(other.status is not JobStatus.PROCESSING for other in of_key)
        return is_first and is_alone and all(other.lease_end <= self._clock() for other in of_key)

    def _settled(self, call: Call, results: Sequence[SettleResult]) -> None:
        settlements: Sequence[Settlement] = call.args[0]
        for settlement, result in zip(settlements, results, strict=True):
            entry = self.entries[settlement.job_id]
            is_owner = (entry.owner, entry.epoch) == (call.runner_id, settlement.epoch)
            if result.fate is SettleFate.LEASE_LOST:
                self._must(entry.epoch != settlement.epoch, "no lease is reported lost that isn't", entry)
            if result.fate is SettleFate.SETTLED:
                self._must(
                    is_owner and entry.status is JobStatus.PROCESSING, "only the row's owner settles", entry
                )
                written = settlement.as_written(result).transition
                self._end(entry, written.to, keeps_lease=written.keeps_lease)
                if entry.status is JobStatus.SUCCESS:
                    was = (entry.job_id, settlement.epoch) in self._delivered
                    self._must(was, "a success was delivered", entry)

    def _released(self, call: Call, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            entry = self.entries[job_id]
            is_own = entry.owner == call.runner_id and entry.status is JobStatus.PROCESSING
            self._must(
                is_own and job_id not in call.options["keep"], "only what isn't held is released", entry
            )
            self._end(entry, JobStatus.PENDING)

    def _reclaimed(self, call: Call, settlements: Sequence[Settlement]) -> None:
        dead: Collection[str] = call.args[0]
        for settlement in settlements:
            entry = self.entries[settlement.job_id]
            silent_for = self._clock() - self._beats.get(entry.owner or "", 0.0)
            is_dead = entry.owner in dead and silent_for >= DEAD_AFTER
            is_lost = is_dead or self._clock() + TOLERANCE >= entry.lease_end
            self._must(
                is_lost and entry.status is JobStatus.PROCESSING, "only what is lost is reclaimed", entry
            )
            self._end(entry, settlement.transition.to, bump=True, keeps_lease=True)

    def _beaten(self, call: Call, _beats: Any) -> None:
        self._beats[call.runner_id] = self._clock()

    def _end(self, entry: Entry, status: JobStatus, *, bump: bool = False, keeps_lease: bool = False) -> None:
        entry.status, entry.owner = status, None
        entry.lease_end = entry.lease_end if keeps_lease else 0.0
        entry.epoch += bump
        self.made_pending += status is JobStatus.PENDING

    @property
    def is_empty(self) -> bool:
        """Whether every job has ended."""
        return all(entry.status in TERMINAL for entry in self.entries.values())
