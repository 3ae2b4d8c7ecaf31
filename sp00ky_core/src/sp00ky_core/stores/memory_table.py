"""One table of the memory store: its rows, and the indexes that keep each call's cost flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush

import attrs

from sp00ky_core.job import TERMINAL, Job, JobStatus
from sp00ky_core.ports import PROBE_WINDOW, JobTable
from sp00ky_core.stores.selecting import BEGINNING

__all__ = ["MemoryTable"]


class MemoryTable:
    """Rows by id; a heap of due times; a heap of ends for pruning; the live dedup keys.

    An entry of a heap that no longer tells the truth about its row is dropped when it comes up.
    """

    def __init__(self, table: JobTable) -> None:
        self.options = table
        self.rows: dict[str, Job] = {}
        self.ids: dict[JobStatus, dict[str, None]] = {status: {} for status in JobStatus}
        self.live_keys: dict[str, str] = {}
        self._due: list[tuple[datetime, int, str]] = []
        self._ended: dict[JobStatus, list[tuple[datetime, str]]] = {status: [] for status in TERMINAL}
        self._entries = 0  # breaks ties: the earlier entry first

    def put(self, job: Job) -> None:
        """Insert or replace a row."""
        before = self.rows.get(job.id)
        if before is not None:
            self._unindex(before)
        self.rows[job.id] = job
        self.ids[job.status][job.id] = None
        if job.status in TERMINAL:
            heappush(self._ended[job.status], (job.updated_at or BEGINNING, job.id))
            return
        if job.dedup_key is not None:
            self.live_keys.setdefault(job.dedup_key, job.id)
        if job.status is JobStatus.PENDING:
            self._entries += 1
            heappush(self._due, (job.run_at or BEGINNING, self._entries, job.id))

    def remove(self, job_id: str) -> None:
        """Delete a row."""
        self._unindex(self.rows.pop(job_id))

    def live(self, dedup_key: str | None) -> Job | None:
        """The job that holds a dedup key."""
        holder = None if dedup_key is None else self.live_keys.get(dedup_key)
        return None if holder is None else self.rows[holder]

    def of_status(self, status: JobStatus | None) -> Iterable[Job]:
        """The rows of a status; None: all."""
        return self.rows.values() if status is None else map(self.rows.__getitem__, self.ids[status])

    def next_due(self) -> datetime | None:
        """When the next pending job is due; None: there is none."""
        while self._due:
            if self._is_live(self._due[0]):
                return self._due[0][0]
            heappop(self._due)
        return None

    def take_due(self, slots: int, runner_id: str, now: datetime) -> list[Job]:
        """Claim up to so many due jobs, oldest due first."""
        taken: list[Job] = []
        while len(taken) < slots and (run_at := self.next_due()) is not None and run_at <= now:
            taken.append(self._claim(self.rows[heappop(self._due)[2]], runner_id, now))
        return taken

    def take_probe(self, runner_id: str, now: datetime) -> Job | None:
        """Claim one due job, the oldest of those that make the best probe; None: none is due."""
        found = [
            self.rows[job_id] for _, _, job_id in filter(self._is_live, sorted(self._due)[:PROBE_WINDOW])
        ]
        due = [job for job in found if (job.run_at or BEGINNING) <= now]
        routes = self.options.routes
        chosen = max(due, key=lambda job: (job.path in routes, job.retries < job.max_retries), default=None)
        return None if chosen is None else self._claim(chosen, runner_id, now)

    def _is_live(self, entry: tuple[datetime, int, str]) -> bool:
        job = self.rows.get(entry[2])
        return job is not None and job.status is JobStatus.PENDING and (job.run_at or BEGINNING) == entry[0]

    def expired(self, dead_runners: frozenset[str], now: datetime) -> Iterator[Job]:
        """``processing`` rows without a live lease, and those of dead runners."""
        for job in self.of_status(JobStatus.PROCESSING):
            if job.lease_until is None or job.lease_until <= now or job.runner_id in dead_runners:
                yield job

    def prune(self, now: datetime, limit: int) -> int:
        """Delete up to so many rows that ended longer ago than they are kept; how many."""
        count = 0
        for status, keep in (
            (JobStatus.SUCCESS, self.options.keep_success),
            (JobStatus.FAILED, self.options.keep_failed),
        ):
            while keep is not None and count < limit and (job := self._oldest_ended(status)) is not None:
                if (job.updated_at or BEGINNING) > now - timedelta(seconds=keep):
                    break
                self.remove(job.id)
                count += 1
        return count

    def _oldest_ended(self, status: JobStatus) -> Job | None:
        ended = self._ended[status]
        while ended:
            ended_at, job_id = ended[0]
            job = self.rows.get(job_id)
            if job is not None and job.status is status and (job.updated_at or BEGINNING) == ended_at:
                return job
            heappop(ended)
        return None

    def _claim(self, job: Job, runner_id: str, now: datetime) -> Job:
        lease = self.options.attempt_timeout(job.timeout) + self.options.lease_margin
        claimed = attrs.evolve(
            job,
            status=JobStatus.PROCESSING,
            lease_epoch=job.lease_epoch + 1,
            lease_until=now + timedelta(seconds=lease),
            runner_id=runner_id,
            updated_at=now,
        )
        self.put(claimed)
        return claimed

    def _unindex(self, job: Job) -> None:
        del self.ids[job.status][job.id]
        if job.dedup_key is not None and self.live_keys.get(job.dedup_key) == job.id:
            del self.live_keys[job.dedup_key]
