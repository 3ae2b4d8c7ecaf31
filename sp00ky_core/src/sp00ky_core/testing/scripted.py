"""Send nothing: a function of yours says what comes of each attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sp00ky_core.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt

__all__ = ["Script", "ScriptedTransport", "deliver_all"]

Script = Callable[[Attempt], Outcome | Awaitable[Outcome]]
"""What comes of an attempt; asynchronous where it takes its time."""


def deliver_all(_attempt: Attempt) -> Outcome:
    """Deliver every attempt, with no result."""
    return Delivered()


class ScriptedTransport:
    """Records every attempt, in the order in which they began."""

    def __init__(self, script: Script = deliver_all) -> None:
        self.script = script
        self.attempts: list[Attempt] = []
        self.in_flight: int = 0
        self.most_in_flight: int = 0
        self.is_open: bool = False
        self._changed = asyncio.Condition()

    async def open(self) -> None:
        """See ``Transport.open``."""
        self.is_open = True

    async def close(self) -> None:
        """See ``Transport.close``."""
        self.is_open = False

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``; but for a script that raises."""
        self.attempts.append(attempt)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        async with self._changed:
            self._changed.notify_all()
        try:
            outcome = self.script(attempt)
            return await outcome if isinstance(outcome, Awaitable) else outcome
        finally:
            self.in_flight -= 1

    async def began(self, count: int, *, within: float = 60.0) -> list[Attempt]:
        """Wait until so many attempts have begun; all of them. Raises ``TimeoutError``."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.attempts) >= count)
        return self.attempts
