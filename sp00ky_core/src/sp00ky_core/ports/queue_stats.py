"""Carry a queue in numbers: its depth, its breaker, its errors."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Self

import attrs

from sp00ky_core.gate.breaker import Breaker, BreakerState
from sp00ky_core.job.outcome import HTTP, status_text
from sp00ky_core.ports.job_table import JobTable
from sp00ky_core.ports.operators import Pause

__all__ = ["BackendStats", "BreakerResult", "BreakerStats", "ErrorGroup", "JobGroup"]


@attrs.frozen(kw_only=True)
class BreakerResult:
    """The fate of a breaker's change.

    Attributes:
        written: Else the breaker had changed meanwhile, and nothing was written.
        breaker: As it is now.
    """

    written: bool
    breaker: Breaker


@attrs.frozen(kw_only=True)
class BreakerStats:
    """A backend's breaker, as the fleet sees it.

    Attributes:
        state: Whether jobs are sent.
        paused_for_s: Seconds until jobs are sent again.
    """

    state: BreakerState = BreakerState.CLOSED
    paused_for_s: float = 0.0

    @classmethod
    def of(cls, table: JobTable, breaker: Breaker | None) -> Self:
        """Return what claims of a table heed of a breaker; None: it has never changed.

        The rows of a breaker are the backend's; an open one that is turned off keeps nothing from being sent.
        """
        if breaker is None or not (table.breaker or breaker.state is BreakerState.CLOSED):
            return cls()
        return cls(state=breaker.state, paused_for_s=breaker.paused_for)


@attrs.frozen(kw_only=True)
class BackendStats:
    """A backend's queue in numbers; field names are those of ``jobs stats --json``.

    Attributes:
        pending: Jobs that wait.
        due: Those of them that could be claimed now.
        processing: Jobs that a runner has.
        success: Delivered jobs that are still kept.
        failed: Failed ones.
        stalled: Processing, and the lease has run out, is missing, or is beyond any possible one.
        deferred: Pending with ``deferred_since``: throttled, or a route that is not known yet.
        oldest_deferred_s: Since the earliest ``deferred_since``; None: none is deferred.
        oldest_due_s: Age of the job that has been due longest; None: none is due.
        breaker: Its breaker.
        paused: An operator's pause that holds now.
        empty_in_s: Seconds, at least and at most, until what is due is done, if all goes on as in the last
            minute; None: that can't be said, or more comes than goes. ``Outbox.stats`` says it.
        ended_per_s: Jobs that ended in a second, in the latest 15 s. ``Outbox.stats`` says it.
    """

    pending: int = 0
    due: int = 0
    processing: int = 0
    success: int = 0
    failed: int = 0
    stalled: int = 0
    deferred: int = 0
    oldest_deferred_s: float | None = None
    oldest_due_s: float | None = None
    breaker: BreakerStats = BreakerStats()
    paused: Pause | None = None
    empty_in_s: tuple[float, float] | None = None
    ended_per_s: float | None = None


@attrs.frozen(kw_only=True)
class JobGroup:
    """Jobs of a route, or of whom they are assigned to, in numbers.

    Attributes:
        backend: Theirs.
        path: Theirs, where they are grouped by route; else empty.
        assigned_to: Theirs, where they are grouped by it; None: nobody's.
        pending: How many wait.
        processing: How many a runner has.
        success: How many were delivered, and are kept.
        failed: How many failed, and are kept.
        p50_s: Seconds within which half of the attempts of a route ended, or half of the jobs of whom they
            are assigned to, from their creation; None: that isn't known. ``Outbox.groups`` says it.
        p95_s: Within which 95 % did.
        p99_s: Within which 99 % did.
    """

    backend: str
    path: str = ""
    assigned_to: str | None = None
    pending: int = 0
    processing: int = 0
    success: int = 0
    failed: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None

    @property
    def count(self) -> int:
        """How many jobs the group has."""
        return self.pending + self.processing + self.success + self.failed


@attrs.frozen(kw_only=True)
class ErrorGroup:
    """Jobs that are failed, or wait for a retry, by their last error.

    Attributes:
        backend: Theirs.
        path: Theirs; empty where they are grouped by whom they are assigned to.
        name: ``name`` of the last entry in ``errors``.
        code: Its ``code``.
        count: How many jobs.
        first: The earliest ``updated_at`` among them.
        last: The latest.
        example: The id of the job that has that.
        scheme: Whose code it is, by the backend's transport; a store leaves it.
        assigned_to: Theirs, where they are grouped by it; None: nobody's.
    """

    backend: str
    path: str
    name: str
    code: int
    count: int
    first: datetime
    last: datetime
    example: str
    scheme: str = HTTP
    assigned_to: str | None = None

    def __str__(self) -> str:
        """Say it in short: ``HTTP 503``, ``AMQP 312``, or the name where there is no code."""
        return status_text(self.scheme, self.code) or self.name


def joined_errors(groups: Iterable[ErrorGroup]) -> list[ErrorGroup]:
    """Join groups that have all but their numbers in common; the largest first."""
    joined: dict[tuple[str, str, str, str, int], ErrorGroup] = {}
    for group in groups:
        key = (group.backend, group.path, group.assigned_to or "", group.name, group.code)
        other = joined.get(key, group)
        latest = max(group, other, key=lambda one: (one.last, one.example))
        count = group.count + (other.count if key in joined else 0)
        joined[key] = attrs.evolve(latest, count=count, first=min(group.first, other.first))
    return [group for _, group in sorted(joined.items(), key=lambda item: (-item[1].count, item[0]))]
