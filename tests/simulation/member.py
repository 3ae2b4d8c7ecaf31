"""One runner of a simulated fleet."""

import asyncio

import attrs
from tests.simulation.gate import GatedStore, GatedTransport
from tests.simulation.virtual import VirtualLoop

from sp00ky_core.runner import Runner

__all__ = ["SimulatedRunner"]


@attrs.define(eq=False, kw_only=True)
class SimulatedRunner:
    """A runner, and the loop that it lives in."""

    runner: Runner
    loop: VirtualLoop
    store: GatedStore
    transport: GatedTransport
    starting: asyncio.Task[None]
    is_frozen: bool = False
    is_cut_off: bool = False  # its calls get no answer by themselves
    draining: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether its calls are answered."""
        return not self.is_frozen and not self.is_cut_off

    def drain(self) -> None:
        """Tell it to end."""
        if self.draining is None:
            self.draining = self.loop.create_task(self.runner.drain())

    @property
    def is_gone(self) -> bool:
        """Whether it has drained, or couldn't start."""
        if self.starting.done() and self.starting.exception() is not None:
            return True
        return self.draining is not None and self.draining.done() and self.draining.exception() is None
