"""Promise to count jobs, to group them by their last error, and to find ids by how they begin."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sp00ky_core.ports.query import ALL_JOBS, GroupBy, JobFilter
from sp00ky_core.ports.stats import ErrorGroup, JobGroup


class Counts(Protocol):
    """A store with ``capabilities.counts``.

    Without it jobs are counted by reading them, page by page, and ``groups`` raises ``CallUnsupported``.
    """

    async def count(self, conditions: JobFilter) -> int:
        """Count the jobs that meet the conditions, in the database."""

    async def groups(
        self, by: GroupBy, *, conditions: JobFilter = ALL_JOBS, limit: int = 20
    ) -> list[JobGroup]:
        """Count the jobs that meet the conditions by their route, or by whom they are assigned to.

        In the database; the largest groups first, at most ``limit``.
        """


class ErrorGroups(Protocol):
    """A store with ``capabilities.error_groups``. Without it ``errors`` raises ``CallUnsupported``."""

    async def errors(
        self,
        *,
        since: datetime | None = None,
        limit: int = 100,
        conditions: JobFilter = ALL_JOBS,
        by: GroupBy = "route",
    ) -> list[ErrorGroup]:
        """Group the jobs that are failed, or pending after a failed attempt, by their last error.

        Those whose ``updated_at`` is ``since`` or later, and that meet the conditions; by their route,
        too, or by whom they are assigned to. The largest groups first, at most ``limit``.
        """


class ShortIds(Protocol):
    """A store with ``capabilities.short_ids``. Without it ids have to be given whole."""

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """List ids that begin with ``<table>:<first characters of the key>``, by the key's index."""
