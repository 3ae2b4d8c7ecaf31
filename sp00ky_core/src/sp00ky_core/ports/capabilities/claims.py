"""Promise what claims keep: the order of each ``ordering_key``, and a table's rate and ``max_in_flight``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sp00ky_core.ports.settlement import Claim


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


class Limits(Protocol):
    """A store with ``capabilities.limits``. Without it a configuration that has limits can't be run."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``.

        Of a table with a ``rate`` each job taken costs a token, the probe too, also if it is released; tokens
        come at that rate, by the database's clock, up to ``burst``. With ``max_in_flight`` at most so many
        jobs are ``processing`` or have a lease yet to come, in the whole fleet; one that has (its attempt was
        lost) isn't taken before it ends, for a row counts once. Such a table is claimed in a transaction of
        its own, which passes if another claim is at it. ``Claim.retry_in`` says when there may be more.
        """
