"""Keep one table of the memory store: its rows, and the indexes that keep each call's cost flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush, nsmallest

import attrs

from sp00ky_core.job import TERMINAL, Job, JobStatus
from sp00ky_core.job_options import HIGHEST_PRIORITY
from sp00ky_core.ports import PROBE_WINDOW, JobTable, OverdueClaim
from sp00ky_core.stores.filters import BEGINNING, is_overdue
from sp00ky_core.stores.memory.ordering import MemoryOrdering

__all__ = ["MemoryTable"]

Due = tuple[datetime, int, str]
"""When a job is due, a number that breaks ties, and its id."""


class MemoryTable:
    """Rows by id; a heap of due times a priority; a heap of ends for pruning; the live dedup keys.

    Of jobs with one ``ordering_key`` only the one that may be claimed is in those of due times. An entry of a
    heap that no longer matches its row is dropped when it comes up.
    """

    def __init__(self, table: JobTable) -> None:
        self.options = table
        self.rows: dict[str, Job] = {}
        self.ids: dict[JobStatus, dict[str, None]] = {status: {} for status in JobStatus}
        self.live_keys: dict[str, str] = {}
        self._due: dict[int, list[Due]] = {priority: [] for priority in range(HIGHEST_PRIORITY, -1, -1)}
        self._ordering = MemoryOrdering(self.rows)
        self._leased: list[Due] = []  # those that aren't claimed before their lease ends
        self._leases: dict[str, datetime] = {}  # of rows that aren't processing: lost, or killed
        self._ended: dict[JobStatus, list[tuple[datetime, str]]] = {status: [] for status in TERMINAL}
        self._entries = 0  # breaks ties: the earlier entry first

    def put(self, job: Job) -> None:
        """Insert or replace a row."""
        before = self.rows.get(job.id)
        if before is not None:
            self._unindex(before)
        self.rows[job.id] = job
        self.ids[job.status][job.id] = None
        if job.lease_until is not None and job.status is not JobStatus.PROCESSING:
            self._leases[job.id] = job.lease_until
        if job.status in TERMINAL:
            heappush(self._ended[job.status], (job.updated_at or BEGINNING, job.id))
        elif job.dedup_key is not None:
            self.live_keys.setdefault(job.dedup_key, job.id)
        if before is not None and before.ordering_key not in {None, job.ordering_key}:
            self._push(self._ordering.refreshed(before.ordering_key or ""))
        if job.ordering_key is not None:
            self._push(self._ordering.put(job, before))
        elif job.status is JobStatus.PENDING:
            self._push_plain(job)

    def remove(self, job_id: str) -> None:
        """Delete a row."""
        job = self.rows.pop(job_id)
        self._unindex(job)
        if job.ordering_key is not None:
            self._push(self._ordering.refreshed(job.ordering_key))

    def _push_plain(self, job: Job) -> None:
        if job.lease_until is None or self.options.max_in_flight is None:
            self._push(job)
        else:
            self._entries += 1
            heappush(self._leased, (_after_lease(job), self._entries, job.id))

    def _push(self, job: Job | None) -> None:
        if job is not None:
            self._entries += 1
            entry = (job.run_at or BEGINNING, self._entries, job.id)
            heappush(self._due[job.priority], entry)

    def live(self, dedup_key: str | None) -> Job | None:
        """Return the job that holds a dedup key."""
        holder = None if dedup_key is None else self.live_keys.get(dedup_key)
        return None if holder is None else self.rows[holder]

    def of_status(self, status: JobStatus | None) -> Iterable[Job]:
        """Return the rows of a status; None: all."""
        return self.rows.values() if status is None else map(self.rows.__getitem__, self.ids[status])

    def next_due(self) -> datetime | None:
        """When the next pending job may be claimed; None: there is none."""
        found = [first[0] for priority in self._due if (first := self._first(priority)) is not None]
        if (leased := self._first_leased()) is not None:
            found.append(leased[0])
        released = self._ordering.next_release()
        return min(found if released is None else [*found, released], default=None)

    def failing(self) -> Iterator[Job]:
        """List the rows that are failed, or pending after a failed attempt."""
        for status in (JobStatus.FAILED, JobStatus.PENDING):
            yield from (job for job in self.of_status(status) if job.errors)

    def has_due(self, now: datetime) -> bool:
        """Whether a job may be claimed now."""
        due_at = self.next_due()
        return due_at is not None and due_at <= now

    def in_flight(self, now: datetime) -> int:
        """Count the jobs whose request may be under way: processing, or lost or killed and still leased."""
        if self._leases:
            self._leases = {job_id: until for job_id, until in self._leases.items() if until > now}
        return len(self.ids[JobStatus.PROCESSING]) + len(self._leases)

    def take_due(self, slots: int, runner_id: str, now: datetime) -> list[Job]:
        """Claim up to so many due jobs, of a higher priority first, then oldest due first."""
        self._push_released(now)
        taken: list[Job] = []
        for priority, due in self._due.items():
            while len(taken) < slots and (first := self._first(priority)) is not None and first[0] <= now:
                heappop(due)
                taken.append(self._claim(self.rows[first[2]], runner_id, now))
        return taken

    def take_probe(self, runner_id: str, now: datetime) -> Job | None:
        """Claim one due job, the first of those that make the best probe; None: none is due."""
        self._push_released(now)
        found: list[Job] = []
        for priority, due in self._due.items():
            first = nsmallest(PROBE_WINDOW - len(found), due)
            live = [each for each in first if each[0] <= now and self._is_live(each, priority)]
            found += [self.rows[job_id] for _, _, job_id in live]
        routes = self.options.routes
        chosen = max(found, key=lambda job: (job.path in routes, job.retries < job.max_retries), default=None)
        return None if chosen is None else self._claim(chosen, runner_id, now)

    def _push_released(self, now: datetime) -> None:
        for job in self._ordering.released(now):
            self._push(job)
        while (leased := self._first_leased()) is not None and leased[0] <= now:
            heappop(self._leased)
            self._push(self.rows[leased[2]])

    def _first_leased(self) -> Due | None:
        while self._leased:
            job = self.rows.get(self._leased[0][2])
            if job and job.status is JobStatus.PENDING and _after_lease(job) == self._leased[0][0]:
                return self._leased[0]
            heappop(self._leased)
        return None

    def _first(self, priority: int) -> Due | None:
        due = self._due[priority]
        while due:
            if self._is_live(due[0], priority):
                return due[0]
            heappop(due)
        return None

    def _is_live(self, entry: Due, priority: int) -> bool:
        job = self.rows.get(entry[2])
        if job is None or job.status is not JobStatus.PENDING or job.priority != priority:
            return False
        is_free = job.ordering_key is None or self._ordering.is_open(job)
        return is_free and (job.run_at or BEGINNING) == entry[0]

    def overdue(self, now: datetime) -> Iterator[OverdueClaim]:
        """List ``processing`` rows whose lease is over."""
        for job in self.of_status(JobStatus.PROCESSING):
            if is_overdue(job, now):
                yield OverdueClaim(
                    job_id=job.id, epoch=job.lease_epoch, runner_id=job.runner_id, lasts=self._lease(job)
                )

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
        claimed = attrs.evolve(
            job,
            status=JobStatus.PROCESSING,
            lease_epoch=job.lease_epoch + 1,
            lease_until=now + timedelta(seconds=self._lease(job)),
            runner_id=runner_id,
            updated_at=now,
        )
        self.put(claimed)
        return claimed

    def _lease(self, job: Job) -> float:
        return self.options.attempt_timeout(job.timeout) + self.options.lease_margin

    def _unindex(self, job: Job) -> None:
        del self.ids[job.status][job.id]
        if job.lease_until is not None:
            self._leases.pop(job.id, None)
        if job.dedup_key is not None and self.live_keys.get(job.dedup_key) == job.id:
            del self.live_keys[job.dedup_key]
        if job.ordering_key is not None:
            self._ordering.remove(job)


def _after_lease(job: Job) -> datetime:
    return max(job.lease_until or BEGINNING, job.run_at or BEGINNING)
