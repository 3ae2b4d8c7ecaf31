"""Give each new job the key that its row gets, before a transaction inserts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import attrs

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import KeyedJob
from sp00ky_core.stores.ids import new_key

__all__ = ["Check", "keyed"]

Check = Callable[[NewJob], NewJob]
"""Holds a job against its backend's contract; returns it as the store knows it."""


def keyed(jobs: Sequence[NewJob | KeyedJob], check: Check) -> list[KeyedJob]:
    """Return jobs as they are to be inserted, each with a key."""
    whole = (job if isinstance(job, KeyedJob) else KeyedJob(job=job, key=UUID(new_key())) for job in jobs)
    return [job if job.checked else attrs.evolve(job, job=check(job.job)) for job in whole]
