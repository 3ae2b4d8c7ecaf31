"""Whose fault it is that a row can't be written: its own, if others can, or else everybody's.

A function of a user's that fails (it misses a table, say) may fail for one row or for all. To fail a job for
it would be wrong in the second case: each job would end so until somebody mends the function.
"""

from __future__ import annotations

from collections.abc import Iterable

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import Settlement

__all__ = ["Doubts"]

MOST = 1_000
"""Rows that are remembered at most."""


class Doubts:
    """Settlements that failed so, and whether others to the same status have been written since."""

    def __init__(self) -> None:
        self._others_written: dict[tuple[str, JobStatus], bool] = {}

    def __len__(self) -> int:
        return len(self._others_written)

    def add(self, settlement: Settlement) -> None:
        """It could not be written."""
        if len(self) < MOST:
            self._others_written.setdefault(_key(settlement), False)

    def written(self, settlements: Iterable[Settlement]) -> None:
        """These were."""
        statuses = {each.transition.to for each in settlements}
        for settlement in settlements:
            self._others_written.pop(_key(settlement), None)
        for key in self._others_written:
            self._others_written[key] |= key[1] in statuses

    def is_its_own(self, settlement: Settlement) -> bool:
        """Whether others have been written since it could not; if so it is forgotten."""
        others_written = self._others_written.get(_key(settlement), False)
        if others_written:
            del self._others_written[_key(settlement)]
        return others_written


def _key(settlement: Settlement) -> tuple[str, JobStatus]:
    return settlement.job_id, settlement.transition.to
