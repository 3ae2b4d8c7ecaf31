"""Promise statements of any language that enqueue in the caller's transaction."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports.statement import Statement

__all__ = ["Statements"]


class Statements(Protocol):
    """A store with ``capabilities.statements``, whose callers' transactions are text."""

    def statement(self, new_job: NewJob) -> Statement:
        """Return statements that insert one pending job, as ``add`` would, in the caller's transaction.

        Does no IO, so it works on a store that isn't open. ``dedup_key`` is honoured. If the transaction is
        rolled back nothing is left.
        """
