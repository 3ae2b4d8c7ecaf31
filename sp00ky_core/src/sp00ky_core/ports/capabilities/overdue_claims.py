"""Promise to list claims whose lease is over though their runner beats."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sp00ky_core.ports.runners import OverdueClaim

__all__ = ["OverdueClaims"]


class OverdueClaims(Protocol):
    """A store with ``capabilities.overdue_claims``. Without it no claim is taken from a runner that beats."""

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """List these runners' ``processing`` rows that ``reclaim`` takes only where they are named to it.

        Their lease has run out by the database's clock, is missing, or is none that a claim can have written:
        the epoch is 0, or it ends later than ``table.longest_lease`` from now. Never more than ``limit``.
        """
