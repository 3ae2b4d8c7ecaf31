"""Keep one job in two stores, as the stateful model knows it."""

from __future__ import annotations

import attrs

from sp00ky_core.job.job import Job

__all__ = ["Claim", "Pair"]


@attrs.frozen
class Pair:
    """One job in both stores.

    Attributes:
        number: Its name here, in the order of enqueueing.
        real: Its id in the store under test.
        reference: Its id in the memory store.
    """

    number: int
    real: str
    reference: str


@attrs.frozen
class Claim:
    """One claim of a job in both stores, perhaps stale by now.

    Attributes:
        pair: The job.
        real: As the store under test gave it.
        reference: As the memory store gave it.
    """

    pair: Pair
    real: Job
    reference: Job
