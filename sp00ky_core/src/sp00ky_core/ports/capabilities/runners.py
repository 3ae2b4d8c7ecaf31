"""Promise to list runners and their overdue claims, and to pass an operator's wish on to one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sp00ky_core.ports.runners import OverdueClaim, RunnerRecord


class Runners(Protocol):
    """A store with ``capabilities.runners``. Without it runners can't be listed, nor drained from afar.

    The row of one that has stopped looks dead then, until it goes.
    """

    async def runners(self) -> list[RunnerRecord]:
        """List the runners whose rows are there, the youngest first."""

    async def drain_runner(self, runner_id: str) -> bool:
        """Ask a runner to drain: its next beat says so. False: there is no such runner."""

    async def remove_runner(self, runner_id: str) -> None:
        """Remove the row of a runner that stops."""


class OverdueClaims(Protocol):
    """A store with ``capabilities.overdue_claims``. Without it no claim is taken from a runner that beats."""

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """List these runners' ``processing`` rows that ``reclaim`` takes only where they are named to it.

        Their lease has run out by the database's clock, is missing, or is none that a claim can have written:
        the epoch is 0, or it ends later than ``table.longest_lease`` from now. Never more than ``limit``.
        """
