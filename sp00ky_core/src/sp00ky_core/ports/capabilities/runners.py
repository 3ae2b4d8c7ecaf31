"""Promise to list the fleet's runners, and to pass an operator's wish on to one."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.ports.runners import RunnerRecord

__all__ = ["Runners"]


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
