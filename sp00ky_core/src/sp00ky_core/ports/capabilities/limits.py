"""Promise that the fleet's claims keep a table's ``rate`` and ``max_in_flight``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sp00ky_core.ports.settlement import Claim

__all__ = ["Limits"]


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
