"""Promise to keep how many attempts ended how, by the minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sp00ky_core.ports.rollups import Rollup, RollupQuery

__all__ = ["Rollups"]


class Rollups(Protocol):
    """A store with ``capabilities.rollups``; an ability beside ``Store``, with errors as its calls have.

    ``Store.migrate`` makes its table.
    """

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """Write rows in one round trip, each in the place of one with its key; return the database's time.

        So a write whose reply was lost may be repeated. Without rows it only reads the clock.
        """

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """Sum up rows over all runners, in the database: by step, backend, path, outcome and code, in order.

        ``minute`` is the beginning of the step, or ``query.since``; ``runner_id`` is empty.
        """

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """Fold at most ``limit`` rows older than ``MINUTES_KEPT`` into those of their hours; how many.

        Only minutes of hours that are as old as a whole. Rows older than ``ROLLUPS_KEPT`` are deleted,
        uncounted, at most ``limit``. Any number of runners may call it at once: nothing is counted twice.
        """
