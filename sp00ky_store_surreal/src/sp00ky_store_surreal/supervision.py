"""One connection to a server, supervised: when it is lost it is made anew, and its callers wait meanwhile.

The SDK doesn't reconnect: its object is dead for good after a drop, and cancels those who wait for a reply.
So each call is a task of its own, which the SDK may cancel and a caller may leave, and the object is
replaced.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from websockets.exceptions import WebSocketException

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_store_surreal.errors import ConnectionLost, SessionEnded, translated
from sp00ky_store_surreal.replies import results_of
from sp00ky_store_surreal.signin import connected, dropped
from sp00ky_store_surreal.target import Target

__all__ = ["Line", "PATIENCE"]

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a call waits for a connection, sending anew included, until its caller is told."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two tries to connect: none before the first, then doubled, drawn from the upper half."""

TICK = 1.0
"""Seconds between two looks at whether a ping was answered."""

SILENT_TICKS = 4
"""Looks that find no answer until a server counts as hung. Not seconds: a process that was stopped itself, or
was busy, finds its clock far on and the answers unread."""

CLOSE_SECONDS = 5.0
"""Seconds for calls under way to end when the store is closed."""


class Line:
    """Sends statements; any number of tasks may call at the same time."""

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self._name = name
        self._sdk: Any = None
        self._closed = True
        self._healing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._pause = 0.0
        self._problem = ""

    async def open(self, *, now: bool) -> None:
        """Let calls in; ``now``: connect too, and raise what keeps it from that, ``StoreUnavailable``."""
        self._closed = False
        if now and self._sdk is None:
            try:
                self._adopt(await connected(self._target))
            except Exception as error:
                self._closed = True
                raise StoreUnavailable(store=self._target.location, problem=self._why(error)) from error

    async def close(self) -> None:
        """Let calls that are under way end, for a while, and let go of the connection."""
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=CLOSE_SECONDS)
        tasks = [each for each in (self._healing, self._watching) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._healing = self._watching = None
        if self._sdk is not None:
            self._let_go(self._sdk)
        await asyncio.gather(*self._ending, return_exceptions=True)
        self._pause, self._problem = 0.0, ""

    async def ask(self, statement: str, bindings: Mapping[str, Any], *, resend: bool) -> list[Any]:
        """Each statement's result.

        ``resend``: send them anew where the connection was lost before the reply came, which they must allow
        for. A connection is waited for in any case.

        Raises:
            ConnectionLost: not ``resend``, and nobody knows whether they were carried out.
            StoreUnavailable: there was no connection for ``PATIENCE`` seconds.
        """
        give_up_at = _now() + PATIENCE
        while True:
            sdk = self._sdk
            if sdk is not None and not _is_reading(sdk):
                self._condemn(sdk, "the connection was lost")
            if self._sdk is None:
                await self._healed(give_up_at)
                continue
            try:
                results = await self._ask(sdk, statement, bindings)
            except (ConnectionLost, SessionEnded) as error:
                self._condemn(sdk, error.problem)
                hopeless = isinstance(error, ConnectionLost) and not resend
                if hopeless or self._closed or _now() >= give_up_at:
                    raise
            else:
                self._pause = 0.0
                return results

    async def _ask(self, sdk: Any, statement: str, bindings: Mapping[str, Any]) -> list[Any]:
        call = asyncio.ensure_future(sdk.query_raw(statement, dict(bindings)))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        call.add_done_callback(_see)
        try:
            # A caller that is cancelled leaves the call: to cut it could end the SDK's reading of replies.
            reply = await asyncio.shield(call)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            raise self._failure(sdk, error) from error
        return results_of(self._target.location, reply)

    def _failure(self, sdk: Any, error: BaseException) -> StoreError:
        location = self._target.location
        if _is_reading(sdk) and not isinstance(error, WebSocketException | OSError | asyncio.CancelledError):
            return translated(location, error)
        return ConnectionLost(store=location, problem="the connection was lost before the reply came")

    async def _healed(self, give_up_at: float) -> None:
        if self._closed:
            raise StoreUnavailable(
                store=self._target.location,
                problem="the store isn't open: use it inside `async with Outbox.open(...)`",
            )
        if self._healing is None:
            self._healing = asyncio.create_task(self._heal(), name=f"surreal-heal-{self._name}")
        done, _ = await asyncio.wait([self._healing], timeout=max(give_up_at - _now(), 0.0))
        if not done:
            problem = f"no connection: {self._problem or 'the server does not answer'}"
            raise StoreUnavailable(store=self._target.location, problem=problem)

    async def _heal(self) -> None:
        try:
            while not self._closed:
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
                self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
                if await self._reconnect():
                    return
        finally:
            self._healing = None

    async def _reconnect(self) -> bool:
        try:
            self._adopt(await connected(self._target))
        except Exception as error:  # noqa: BLE001  # whatever it is, the next try may succeed
            self._problem = self._why(error)
            _log.debug("no %s connection yet: %s", self._name, self._problem)
            return False
        _log.info("%s: the %s connection was made", self._target.location, self._name)
        return True

    def _adopt(self, sdk: Any) -> None:
        self._sdk, self._problem = sdk, ""
        self._watching = asyncio.create_task(self._watch(sdk), name=f"surreal-watch-{self._name}")

    async def _watch(self, sdk: Any) -> None:
        """Ping, so that a server that hangs and a socket that is half open are noticed."""
        try:
            while await _answers(sdk):  # noqa: ASYNC110  # an answer is what is asked for, not an event
                await asyncio.sleep(TICK)
        except (WebSocketException, OSError):
            self._condemn(sdk, "the connection was lost")
        else:
            self._condemn(sdk, "the server does not answer")

    def _condemn(self, sdk: Any, problem: str) -> None:
        if self._sdk is not sdk:
            return
        _log.warning("%s: %s; the %s connection is made anew", self._target.location, problem, self._name)
        self._let_go(sdk)

    def _let_go(self, sdk: Any) -> None:
        self._sdk = None
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()
        self._watching = None
        ending = asyncio.ensure_future(dropped(sdk))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _why(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return "the server does not answer"
        return translated(self._target.location, error).problem


def _see(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from complaining of an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _is_reading(sdk: Any) -> bool:
    return sdk.recv_task is not None and not sdk.recv_task.done()


async def _answers(sdk: Any) -> bool:
    """Whether a ping is answered before ``SILENT_TICKS`` looks. Raises what a lost connection raises."""
    ping = asyncio.ensure_future(_ping(sdk))
    ping.add_done_callback(_see)
    try:
        for _ in range(SILENT_TICKS):
            if (await asyncio.wait([ping], timeout=TICK))[0]:
                await ping
                return True
        return False
    finally:
        ping.cancel()


async def _ping(sdk: Any) -> None:
    await (await sdk.socket.ping())


def _now() -> float:
    return asyncio.get_running_loop().time()
