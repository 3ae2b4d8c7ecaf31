"""An event loop that never waits: its time is given to it, and it stops when nothing is left to do."""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

__all__ = ["VirtualLoop"]


class _Impatient(selectors.DefaultSelector):
    idle: Callable[[], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the loop would wait only if nothing else is."""
        if timeout is None or timeout > 0:
            self.idle()
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """One runner's loop: a frozen runner's isn't run, while time goes on."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._virtual_now = now
        selector = _Impatient()
        selector.idle = self.stop
        super().__init__(selector)

    def time(self) -> float:
        """The virtual time."""
        return self._virtual_now()

    def run_until_idle(self) -> None:
        """Run whatever can run at this time."""
        self.run_forever()

    def end(self) -> None:
        """Cancel what is left, as often as it takes, and close."""
        while tasks := asyncio.all_tasks(self):
            for task in tasks:
                task.cancel()
            self.run_until_complete(_ended(tasks))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    for _ in range(10):  # one that doesn't end so soon is cancelled again
        if not any(not task.done() for task in tasks):
            break
        await asyncio.sleep(0)
    await asyncio.gather(*(task for task in tasks if task.done()), return_exceptions=True)
