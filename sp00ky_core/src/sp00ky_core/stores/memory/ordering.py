"""Order the jobs of each ``ordering_key``: one at a time, and never two that may be under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from heapq import heappop, heappush

from sp00ky_core.job import Job, JobStatus
from sp00ky_core.stores.filters import BEGINNING

__all__ = ["MemoryOrdering"]


class _Key:
    """The jobs of one key.

    Attributes:
        waiting: A heap of the places of those that haven't ended.
        processing: Those that are.
        leases: Of those that aren't, lost or killed: until when a request may be under way.
        held_until: The latest of them that is known to hold the key back.
        open: The one that may be claimed when it is due.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[datetime, str]] = []
        self.processing: set[str] = set()
        self.leases: dict[str, datetime] = {}
        self.held_until: datetime | None = None
        self.open: Job | None = None


class MemoryOrdering:
    """Knows of each key which job may be claimed; a claim needn't look at those behind it."""

    def __init__(self, rows: Mapping[str, Job]) -> None:
        self._rows = rows
        self._keys: dict[str, _Key] = {}
        self._held: list[tuple[datetime, str]] = []  # keys that nothing but a lease holds back, until when

    def is_open(self, job: Job) -> bool:
        """Whether a job with a key may be claimed when it is due."""
        key = self._keys.get(job.ordering_key or "")
        return key is not None and key.open is job

    def put(self, job: Job, before: Job | None) -> Job | None:
        """Note a row that is written; return the job of its key that may be claimed now, if that is news."""
        name = job.ordering_key or ""
        key = self._keys.setdefault(name, _Key())
        if job.status is JobStatus.PROCESSING:
            key.processing.add(job.id)
        elif job.lease_until is not None:
            key.leases[job.id] = job.lease_until
        if not job.is_terminal and (before is None or before.is_terminal or _place(before) != _place(job)):
            heappush(key.waiting, _place(job))
        return self._opened(name, key)

    def remove(self, job: Job) -> None:
        """Forget a row that is deleted, or about to be written anew."""
        key = self._keys.get(job.ordering_key or "")
        if key is not None:
            key.processing.discard(job.id)
            key.leases.pop(job.id, None)

    def refreshed(self, name: str) -> Job | None:
        """Return the job of a key that may be claimed now, if that is news."""
        key = self._keys.get(name)
        return None if key is None else self._opened(name, key)

    def released(self, now: datetime) -> Iterator[Job]:
        """Yield the jobs that may be claimed because leases have ended by now."""
        while self._held and self._held[0][0] <= now:
            _, name = heappop(self._held)
            key = self._keys.get(name)
            if key is None:
                continue
            key.leases = {job_id: until for job_id, until in key.leases.items() if until > now}
            key.held_until = None
            if (job := self._opened(name, key)) is not None:
                yield job

    def next_release(self) -> datetime | None:
        """When a lease ends that holds a job back; None: there is none."""
        return self._held[0][0] if self._held else None

    def _opened(self, name: str, key: _Key) -> Job | None:
        first, before = self._first(name, key), key.open
        is_free = first is not None and first.status is JobStatus.PENDING and not key.processing
        key.open = first if is_free and not key.leases else None
        if is_free and key.leases:
            self._hold(name, key)
        if first is None and not key.leases and not key.processing:
            del self._keys[name]
        return None if key.open is before else key.open

    def _first(self, name: str, key: _Key) -> Job | None:
        while key.waiting:
            job = self._rows.get(key.waiting[0][1])
            is_there = job is not None and not job.is_terminal and job.ordering_key == name
            if job is not None and is_there and _place(job) == key.waiting[0]:
                return job
            heappop(key.waiting)
        return None

    def _hold(self, name: str, key: _Key) -> None:
        until = max(key.leases.values())
        if until != key.held_until:
            key.held_until = until
            heappush(self._held, (until, name))


def _place(job: Job) -> tuple[datetime, str]:
    return job.ordering_at or BEGINNING, job.id
