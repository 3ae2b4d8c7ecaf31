"""Promise to delete jobs by conditions."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.ports.query import JobFilter

__all__ = ["Clears"]


class Clears(Protocol):
    """A store with ``capabilities.clears``. Without it jobs are read, and deleted by their ids."""

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """Delete at most ``limit`` jobs that have ended and meet the conditions; how many.

        Of each backend the newest go first.

        One statement with conditions for each backend, no row is read. A row that the database won't have
        deleted is reported in the log, and holds up no other. Fewer than ``limit``: there are no more.
        """
