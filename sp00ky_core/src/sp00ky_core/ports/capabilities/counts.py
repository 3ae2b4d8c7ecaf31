"""Promise to count jobs."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.ports.query import JobFilter

__all__ = ["Counts"]


class Counts(Protocol):
    """A store with ``capabilities.counts``. Without it jobs are counted by reading them, page by page."""

    async def count(self, conditions: JobFilter) -> int:
        """Count the jobs that meet the conditions, in the database."""
