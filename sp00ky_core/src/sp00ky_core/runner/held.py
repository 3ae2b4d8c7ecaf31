"""What a runner holds: its claims that aren't settled, and for how long they are its own."""

from __future__ import annotations

import asyncio

import attrs

from sp00ky_core.backend import Backend
from sp00ky_core.job import Job

__all__ = ["Held", "Holdings"]


@attrs.define(kw_only=True, eq=False)
class Held:
    """One claim."""

    job: Job
    backend: Backend
    timeout: float  # seconds for its attempt
    claimed_at: float  # this runner's clock, read before the claim was sent
    received_at: float  # ... and when the job came
    started_at: float | None = None
    worker: asyncio.Task[None] | None = None  # at work on it
    refusals: int = 0  # how often its outcome couldn't be written
    overdue: bool = False  # the transport didn't keep to its timeout and was cut off
    is_probe: bool = False  # its outcome says whether the backend is back
    is_over: bool = False  # its attempt: the outcome waits to be written

    @property
    def lease_end(self) -> float:
        """By when the claim is over, by the database's clock too: sooner it could still be released."""
        return self.received_at + self.backend.table.lease_margin + self.timeout

    @property
    def last_start(self) -> float:
        """Until when its attempt may start, so that the timeout still fits into the lease."""
        return self.claimed_at + self.backend.table.lease_margin


class Holdings:
    """This runner's claims by id: what a release must keep."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._attempts = 0  # those whose outcome isn't known
        self.emptied = asyncio.Event()
        self.emptied.set()
        self.attempts_over = asyncio.Event()
        self.attempts_over.set()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, held: Held) -> None:
        """A claim has come."""
        self._held[held.job.id] = held
        self._attempts += 1
        self.emptied.clear()
        self.attempts_over.clear()

    def over(self, held: Held) -> None:
        """Its attempt is over, or will not be made."""
        if not held.is_over:
            held.is_over = True
            self._attempts -= 1
        if not self._attempts:
            self.attempts_over.set()

    def drop(self, held: Held) -> None:
        """A claim is settled, released or lost."""
        self.over(held)
        if self._held.get(held.job.id) is held:
            del self._held[held.job.id]
        if not self._held:
            self.emptied.set()

    def ids(self) -> list[str]:
        """The ids of all jobs held."""
        return list(self._held)

    def in_hand(self) -> list[Held]:
        """Those that a worker is still at."""
        return [held for held in self._held.values() if held.worker is not None]

    def started(self) -> list[Held]:
        """Those whose attempt has begun."""
        return [held for held in self._held.values() if held.started_at is not None]
