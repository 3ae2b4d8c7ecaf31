"""Promise that jobs with an ``ordering_key`` are delivered one at a time, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sp00ky_core.ports.settlement import Claim

__all__ = ["Ordering"]


class Ordering(Protocol):
    """A store with ``capabilities.ordering``. Without it no job has an ``ordering_key``: it is refused."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``.

        Of the jobs with one ``ordering_key`` only the first in the order ``(ordering_at, id)`` that hasn't
        ended is taken, when it is due, and only while no other job of that key is ``processing`` and none,
        itself included, has a ``lease_until`` that is yet to come (its attempt was lost, or it was killed:
        the request may still be under way). The database guards it. A lease counts only where a claim wrote
        it: its row's epoch is over 0, and it ends no later than ``table.longest_lease`` from now.
        """
