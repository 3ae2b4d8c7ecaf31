"""Rings for each notification of LIVE queries, on a connection of its own that proves itself again and again.

Notifications aren't decoded, which under load would cost more than what they tell: there may be something.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable

from sp00ky_core.stores.signal import Signal
from sp00ky_store_surreal.errors import ConnectionLost, translated
from sp00ky_store_surreal.replies import results_of
from sp00ky_store_surreal.server import LOST, ServerConnection, answer_of
from sp00ky_store_surreal.signin import connected
from sp00ky_store_surreal.supervision import FIRST_PAUSE, LONGEST_PAUSE
from sp00ky_store_surreal.target import Target

__all__ = ["Bell"]

_log = logging.getLogger(__name__)

PROOF_INTERVAL = 2.0
"""Seconds between two questions whether the server and the session are still there."""

TICK = 1.0
"""Seconds between two looks for the answer."""


class Bell:
    """Runs while anybody listens to its signal."""

    def __init__(self, target: Target, live: str, ring: Callable[[], None]) -> None:
        self._target = target
        self._live = live  # LIVE statements
        self._ring = ring
        self._task: asyncio.Task[None] | None = None
        self._listeners = 0
        self._told = False
        self._tried = asyncio.Event()  # the first try to subscribe has ended, well or not

    async def subscribe(self, signal: Signal, *, at_once: bool = False) -> AsyncGenerator[None, None]:
        """The signal's subscription, with the bell ringing it meanwhile.

        The first one comes after the first try to subscribe, so that what it leads to misses nothing;
        ``at_once`` doesn't wait for that: the bell then rings once it has subscribed.
        """
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="surreal-bell")
        signals = signal.subscribe()
        try:
            if not at_once:
                await self._tried.wait()
            async for _ in signals:
                yield None
        finally:
            await signals.aclose()
            self._listeners -= 1
            if not self._listeners:
                await self.stop()

    async def stop(self) -> None:
        """Let go of the connection; whoever still listens hears nothing more from it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._tried.set()  # nobody waits for what won't come
        self._tried = asyncio.Event()
        self._told = False

    async def _run(self) -> None:
        pause = 0.0
        while True:
            try:
                connection = await connected(self._target, self._ring)
                try:
                    await self._subscribe(connection)
                    pause = 0.0
                    await self._listen(connection)
                finally:
                    await connection.close()
            except Exception as error:  # noqa: BLE001  # whatever broke, the next connection may work
                self._tell(translated(self._target.location, error).problem)
            self._tried.set()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
            pause = min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)

    def _tell(self, problem: str) -> None:
        """Once for each outage."""
        level = logging.DEBUG if self._told else logging.WARNING
        _log.log(
            level, "%s: changes are found by polling until LIVE works: %s", self._target.location, problem
        )
        self._told = True

    async def _subscribe(self, connection: ServerConnection) -> None:
        results_of(self._target.location, await answer_of(connection.query_raw(self._live, {}), TICK))
        self._ring()  # for what came while nobody listened
        self._tried.set()
        if self._told:
            _log.warning("%s: LIVE works again", self._target.location)
        self._told = False

    async def _listen(self, connection: ServerConnection) -> None:
        """Until the connection is lost, or proves nothing any more. Raises what it is lost by."""
        ended = asyncio.ensure_future(connection.ended())
        try:
            while not (await asyncio.wait([ended], timeout=PROOF_INTERVAL))[0]:
                # A server whose session has ended refuses it.
                results_of(self._target.location, await answer_of(connection.query_raw("RETURN 1", {}), TICK))
            raise ConnectionLost(store=self._target.location, problem=LOST)
        finally:
            ended.cancel()
