"""Keep the jobs that this runner has claimed, from the claim until what came of each is written."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.config import RetryConfig
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import Attempt, JobTable
from sp00ky_openapi.payload import PayloadCheck

OVERDUE_AFTER = 5.0
"""Seconds past its timeout after which an attempt is cut off, should a transport not have kept to it."""


@attrs.define(kw_only=True, eq=False)
class Held:
    """Holds one claimed job, and what has become of its attempt.

    Attributes:
        job: The job.
        backend: Its backend.
        check: What its payload is checked with; None: its path is no operation of its backend's, or is
        refused. table: Its table as the store leases its rows.
        timeout: Seconds that its attempt may take.
        claimed_at: When the claim was about to be sent, by this runner's clock.
        received_at: When the job came, by this runner's clock.
        started_at: When its attempt began, by this runner's clock; None: it waits.
        ended_at: When its attempt ended, where that is logged.
        attempt: What its transport was given.
        code: The code of its attempt's outcome, where that is logged, such as an HTTP status; 0: it had none.
        scheme: The scheme of that code.
        worker: The worker that makes its attempt.
        refusals: How often its outcome couldn't be written.
        overdue: Whether the transport didn't keep to its timeout and was cut off.
        is_probe: Whether its outcome is to say that the backend is back.
        is_over: Whether its attempt has ended, so that the outcome waits to be written.
    """

    job: Job
    backend: Backend
    check: PayloadCheck | None = None
    table: JobTable
    timeout: float
    claimed_at: float
    received_at: float
    started_at: float | None = None
    ended_at: float | None = None
    attempt: Attempt | None = None
    code: int = 0
    scheme: str = HTTP
    worker: asyncio.Task[None] | None = None
    refusals: int = 0
    overdue: bool = False
    is_probe: bool = False
    is_over: bool = False

    @property
    def retry(self) -> RetryConfig:
        """How its backend has its jobs retried."""
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
    """This runner's claims by id: what a release must keep.

    Attributes:
        attempts: Those whose outcome isn't known, or that haven't begun.
        emptied: Set while there is no claim.
        attempts_over: Set while there is no such attempt.
    """

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self.attempts: int = 0
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
        self.attempts += len(helds)

    def over(self, held: Held) -> None:
        """Note that an attempt is over, or won't be made."""
        if held.is_over:
            return
        held.is_over = True
        self.attempts -= 1
        if not self.attempts:
            self.attempts_over.set()

    def drop(self, helds: Iterable[Held]) -> None:
        """Remove claims that are settled, released or lost."""
        for held in helds:
            if not held.is_over:
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

    def cut_off(self, now: float) -> None:
        """Cancel the attempts whose transport hasn't kept to their timeout."""
        for held in self.in_hand():
            late = held.started_at is not None and now > held.started_at + held.timeout + OVERDUE_AFTER
            if late and held.worker is not None and not held.overdue:
                held.overdue = True
                held.worker.cancel()
