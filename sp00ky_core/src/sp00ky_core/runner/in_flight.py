"""Keep a runner's claims that aren't settled, and for how long they are its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.config import RetryConfig
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import JobTable


@attrs.define(kw_only=True, eq=False)
class Held:
    """One claim.

    Attributes:
        job: The job.
        backend: Its backend.
        table: Its table as the store leases its rows.
        timeout: Seconds for its attempt.
        claimed_at: This runner's clock, read before the claim was sent.
        received_at: ... and when the job came.
        started_at: When its attempt began, by this runner's clock; None: it waits.
        ended_at: When its attempt ended, where that is logged.
        code: Of its attempt's outcome, such as an HTTP status; 0: there was none.
        scheme: Whose code that is.
        worker: At work on it.
        refusals: How often its outcome couldn't be written.
        overdue: The transport didn't keep to its timeout and was cut off.
        is_probe: Its outcome says whether the backend is back.
        is_over: Its attempt: the outcome waits to be written.
    """

    job: Job
    backend: Backend
    table: JobTable
    timeout: float
    claimed_at: float
    received_at: float
    started_at: float | None = None
    ended_at: float | None = None
    code: int = 0
    scheme: str = HTTP
    worker: asyncio.Task[None] | None = None
    refusals: int = 0
    overdue: bool = False
    is_probe: bool = False
    is_over: bool = False

    @property
    def retry(self) -> RetryConfig:
        """Its backend's."""
        return self.backend.config.retry

    @property
    def documents(self) -> Iterator[tuple[str, str]]:
        """Names and documents of the backends whose job it may be."""
        return ((backend.name, backend.document) for backend in (self.backend, *self.backend.sharing))

    @property
    def lease_end(self) -> float:
        """By when the claim is over, by the database's clock too: sooner it could still be released."""
        return self.received_at + self._lease

    @property
    def last_start(self) -> float:
        """Until when its attempt may start, so that the timeout still fits into the lease."""
        return self.claimed_at + self.backend.table.lease_margin

    @property
    def waited(self) -> float:
        """Seconds, by the database's clock, from the first deferral of those in a row to this claim."""
        since, claimed = self.job.deferred_since, self._claimed
        return 0.0 if since is None or claimed is None else max((claimed - since).total_seconds(), 0.0)

    def has_expired(self, now: float) -> bool:
        """Whether ``expires_at`` has passed, or may have, by this runner's clock."""
        at, claimed = self.job.expires_at, self._claimed
        return (
            at is not None and claimed is not None and now - self.claimed_at >= (at - claimed).total_seconds()
        )

    @property
    def _claimed(self) -> datetime | None:
        """When it was claimed, by the database's clock."""
        until = self.job.lease_until
        return None if until is None else until - timedelta(seconds=self._lease)

    @property
    def _lease(self) -> float:
        """Seconds for which the store leases its row."""
        return self.table.attempt_timeout(self.job.timeout) + self.table.lease_margin


class Holdings:
    """This runner's claims by id: what a release must keep."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._attempts = 0  # those whose outcome isn't known
        self.emptied: asyncio.Event = asyncio.Event()
        self.emptied.set()
        self.attempts_over: asyncio.Event = asyncio.Event()
        self.attempts_over.set()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, helds: Collection[Held]) -> None:
        """Add claims."""
        if helds:
            self.emptied.clear()
            self.attempts_over.clear()
        self._held.update({held.job.id: held for held in helds})
        self._attempts += len(helds)

    def over(self, held: Held) -> None:
        """Note that an attempt is over, or won't be made."""
        if held.is_over:
            return
        held.is_over = True
        self._attempts -= 1
        if not self._attempts:
            self.attempts_over.set()

    def drop(self, held: Held) -> None:
        """Remove a claim that is settled, released or lost."""
        self.over(held)
        if self._held.get(held.job.id) is held:
            del self._held[held.job.id]
        if not self._held:
            self.emptied.set()

    def ids(self) -> list[str]:
        """Return the ids of all jobs held."""
        return list(self._held)

    def attempts_by_backend(self) -> Counter[str]:
        """Count the attempts that are under way of each backend, without what is claimed ahead of them."""
        return Counter(held.backend.name for held in self.started() if not held.is_over)

    def in_hand(self) -> list[Held]:
        """Return those that a worker still has."""
        return [held for held in self._held.values() if held.worker is not None]

    def started(self) -> list[Held]:
        """Return those whose attempt has begun."""
        return [held for held in self._held.values() if held.started_at is not None]
