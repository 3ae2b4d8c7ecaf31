"""Promise to change many jobs at once: to delete by age or by conditions, to reschedule, to import."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sp00ky_core.job.job import Job
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports.query import JobFilter


class Retention(Protocol):
    """A store with ``capabilities.retention``. Without it jobs stay.

    A configuration that says for how long can't be run then.
    """

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """Delete at most ``limit`` jobs that ended longer ago than their table keeps them; how many.

        So go successes beyond the latest ``max_successes`` of a table. Jobs that runs of the schedules
        ``spared`` have made are kept, and don't count. Tables that runners don't deliver are left alone.

        A row that the database won't have deleted is reported in the log, and holds up no other. Audit
        entries go after ``AUDIT_KEPT``, uncounted.
        """


class Clears(Protocol):
    """A store with ``capabilities.clears``. Without it jobs are read, and deleted by their ids."""

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """Delete at most ``limit`` jobs that have ended and meet the conditions; how many.

        Of each backend the newest go first.

        One statement with conditions for each backend, no row is read. A row that the database won't have
        deleted is reported in the log, and holds up no other. Fewer than ``limit``: there are no more.
        """


class Reschedules(Protocol):
    """A store with ``capabilities.reschedules``. Without it jobs are read, and settled one by one."""

    async def reschedule(self, job_ids: Sequence[str], change: Rescheduled) -> Collection[str]:
        """Change when those of these jobs that are pending are due, or their priority; which, as given.

        In a few statements, no row is read. What another transaction holds, or the database refuses, it may
        leave: the core reads what is left, tries it one by one, and says what became of it.
        """


class Rewrites(Protocol):
    """A store with ``capabilities.rewrites``. Without it nothing is copied, imported or redacted."""

    def own_id(self, job_id: str) -> str | None:
        """Return an id as this database writes it; None: no row can have it."""

    async def import_jobs(self, jobs: Sequence[Job]) -> None:
        """Insert jobs as they are, with their ids, times, statuses and errors; all or none.

        None of them is processing. One without ``created_at`` is new: it is created, due, and has its place
        among those of its ``ordering_key``, when the database's clock says so. Those that are pending make
        ``work_signal`` fire as new work does.

        Raises:
            RowRefused: the database refuses one: its id is there, another live job has its ``dedup_key``.
        """

    async def redact(self, jobs: Sequence[Job]) -> Collection[str]:
        """Write payload, result, errors, and keys of jobs that have ended as they are here; which, by id.

        Keys are ``dedup_key``, ``ordering_key`` and ``assigned_to``. ``redacted_at`` becomes the database's
        now; ``lease_epoch`` is raised, so that nobody writes back, or sends, what they read before.
        Everything else stays, ``updated_at`` too. A job that has another status or epoch by now is left out.

        Raises:
            RowRefused: the database refuses one; none is written.
        """

    async def copies_of(self, job_ids: Collection[str]) -> list[str]:
        """List the ids of the jobs that are copies of these."""

    async def forget_runs(self, job_ids: Collection[str]) -> int:
        """Delete the runs of schedules that have made these jobs; how many."""
