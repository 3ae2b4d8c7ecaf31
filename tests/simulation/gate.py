"""Where a runner's calls and attempts wait for the test's decision."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import attrs

from sp00ky_core.job.outcome import TIMEOUT, Outcome, Undelivered
from sp00ky_core.ports import Attempt, Store

__all__ = ["Call", "Flight", "GatedStore", "GatedTransport"]


@attrs.define(eq=False, kw_only=True)
class Call:
    """A call that was sent to the store, and isn't answered yet."""

    runner_id: str
    method: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    sent_at: float
    reply: asyncio.Future[Any]
    is_done: bool = False  # the store has done it
    is_stalled: bool = False  # it, or its reply, takes its time
    result: Any = None

    def answer(self, result: Any) -> None:
        """Tell the runner, if it still wants to know; an error is raised there."""
        if self.reply.done():
            return
        if isinstance(result, Exception):
            self.reply.set_exception(result)
        else:
            self.reply.set_result(result)


@attrs.define(eq=False, kw_only=True)
class Flight:
    """A request that has arrived at the backend, and has no answer yet."""

    runner_id: str
    attempt: Attempt
    answer: asyncio.Future[Outcome]


class GatedStore:
    """A runner's view of the store: every call waits in ``calls`` until it is answered."""

    def __init__(self, store: Store, clock: Callable[[], float], cut_off: Callable[[Call], None]) -> None:
        self._store = store
        self._clock = clock
        self._cut_off = cut_off  # called with each call that its runner has given up
        self.runner_id = ""
        self.calls: list[Call] = []
        self._signal = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        if name in {"capabilities", "location", "use"}:
            return getattr(self._store, name)

        async def call(*args: Any, **options: Any) -> Any:
            return await self._answered(name, args, options)

        return call

    async def _answered(self, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        reply = asyncio.get_running_loop().create_future()
        call = Call(
            runner_id=self.runner_id,
            method=method,
            args=args,
            options=options,
            sent_at=self._clock(),
            reply=reply,
        )
        self.calls.append(call)
        try:
            return await reply
        except asyncio.CancelledError:
            if call in self.calls:
                self.calls.remove(call)
                if not call.is_done:
                    self._cut_off(call)
            raise

    async def work_signal(self) -> AsyncGenerator[None, None]:
        """Yields once, and after each ``signal``."""
        self._signal.set()
        while True:
            await self._signal.wait()
            self._signal.clear()
            yield

    def signal(self) -> None:
        """There may be work."""
        self._signal.set()


class GatedTransport:
    """A runner's transport: every request waits in ``flights`` until it is answered or times out."""

    def __init__(self, arrived: Callable[[str, Attempt], None]) -> None:
        self._arrived = arrived
        self.runner_id = ""
        self.flights: list[Flight] = []
        self.is_dead = False  # nothing arrives any more

    async def open(self) -> None:
        """See ``Transport.open``."""

    async def close(self) -> None:
        """See ``Transport.close``."""

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``."""
        if self.is_dead:
            raise asyncio.CancelledError
        self._arrived(self.runner_id, attempt)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        flight = Flight(runner_id=self.runner_id, attempt=attempt, answer=answer)
        self.flights.append(flight)
        try:
            async with asyncio.timeout(attempt.timeout):
                return await answer
        except TimeoutError:
            return Undelivered(name=TIMEOUT, reason="no answer")
        finally:
            if flight in self.flights:
                self.flights.remove(flight)
