"""Promise to keep schedules, what they made, and their rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sp00ky_core.ports.schedules import (
    MAX_ROWS,
    RunQuery,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
)

__all__ = ["Schedules"]


class Schedules(Protocol):
    """A store with ``capabilities.schedules``; an ability beside ``Store``, with errors as its calls have.

    ``Store.migrate`` makes its two tables, whether or not there is a schedule.
    """

    async def schedules(self) -> ScheduleSnapshot:
        """Return all schedules, removed ones too, and the database's time, as one transaction sees them.

        Runners call it at each fire, every 5 s beside, and after signals: it costs a read of one small table.
        """

    async def change_schedule(self, change: ScheduleChange) -> Sequence[ScheduleRun] | None:
        """Write a change in one transaction, if the row's revision is what it was when it was read.

        Compare-and-set on ``revision``, which every change of a row raises by one, ``next_fire_at``'s too:
        of several changes that were decided on the same row, one is written, however many runners decide,
        and a pause, a new definition or a fire by hand meanwhile keeps the others out. A missing row has
        revision 0. Where it can't be written any more, nothing is, and None returned.

        In the same transaction: each spawn's job is inserted, pending and due at once, with an id made of
        ``job_key``, and its run with that ``job_id``; then ``runs``. A job that the database refuses (an
        ASSERT, a missing ``assigned_to``) costs no other: its run is written as ``failed``, ``finished_at``
        its ``fired_at``, with the error ``{"code": "row_refused", "reason": <what the database said>}``, and
        without ``job_id``. Returns the runs of the spawns as written, in order.

        Never half done, 10,000 spawns in it or none. It makes ``work_signal`` fire as new work does.
        """

    async def runs(self, query: RunQuery) -> list[ScheduleRun]:
        """List runs as their rows have them; their jobs aren't looked at."""

    async def prune_runs(
        self, schedule: str, *, statuses: Collection[RunStatus], until: datetime, limit: int = 1_000
    ) -> list[str | None]:
        """Delete at most ``limit`` runs of these statuses that fired before ``until``; the job of each.

        A running one is never deleted. The jobs stay.
        """

    async def query_rows(self, query: str, *, limit: int = MAX_ROWS + 1) -> list[Mapping[str, Any]]:
        """Run a query that only reads; its first ``limit`` rows, each a JSON object.

        In a transaction of its own, which the database keeps from writing where it can, and which ends after
        ``QUERY_SECONDS``. Values are what JSON has: instants, uuids, decimals and record ids come as text or
        numbers, as the database writes them as JSON.

        Raises:
            QueryRefused: it is no single query, or it writes, takes too long, fails, or a row is no object.
        """
