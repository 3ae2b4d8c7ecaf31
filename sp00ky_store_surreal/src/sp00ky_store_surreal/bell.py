"""Rings for each notification of LIVE queries, on a connection of its own that proves itself again and again.

A live iterator of the SDK waits for ever when its server is gone, and decodes each notification, which under
load costs more than what it tells. So the frames are read here, and not decoded: each one is a notification.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any

from surrealdb.data.cbor import decode, encode

from sp00ky_core.stores.signal import Signal
from sp00ky_store_surreal.errors import ConnectionLost, translated
from sp00ky_store_surreal.replies import results_of
from sp00ky_store_surreal.signin import connected, dropped
from sp00ky_store_surreal.supervision import FIRST_PAUSE, LONGEST_PAUSE
from sp00ky_store_surreal.target import Target

__all__ = ["Bell"]

_log = logging.getLogger(__name__)

PROOF_INTERVAL = 2.0
"""Seconds between two questions whether the server and the session are still there."""

TICK, SILENT_TICKS = 1.0, 4
"""Seconds between two looks for the answer, and looks without one until the connection is given up."""

NOTIFICATION = 0xA1
"""How its frame begins: a map of one entry, for it answers no request. Every reply has an ``id`` as well."""


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
        self._answered = asyncio.Event()

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
                sdk = await connected(self._target)
                try:
                    await self._subscribe(sdk)
                    pause = 0.0
                    await self._listen(sdk)
                finally:
                    await dropped(sdk)
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

    async def _subscribe(self, sdk: Any) -> None:
        results_of(self._target.location, await sdk.query_raw(self._live, {}))
        sdk.recv_task.cancel()  # from here on its frames are read below
        await asyncio.wait([sdk.recv_task])
        self._ring()  # for what came while nobody listened
        self._tried.set()
        if self._told:
            _log.warning("%s: LIVE works again", self._target.location)
        self._told = False

    async def _listen(self, sdk: Any) -> None:
        """Ring until the connection is lost. Raises what it is lost by."""
        parts = [asyncio.ensure_future(each) for each in (self._read(sdk.socket), self._prove(sdk.socket))]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                await each
        finally:
            for each in parts:
                each.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def _read(self, socket: Any) -> None:
        async for frame in socket:
            if frame[0] == NOTIFICATION:
                self._ring()
                continue
            message = decode(frame)
            if "id" in message:
                results_of(self._target.location, message)
                self._answered.set()
            else:
                self._ring()
        raise ConnectionLost(store=self._target.location, problem="the connection was closed")

    async def _prove(self, socket: Any) -> None:
        question = encode({"id": "proof", "method": "query", "params": ["RETURN 1", {}]})
        while True:
            await asyncio.sleep(PROOF_INTERVAL)
            self._answered.clear()
            await socket.send(question)
            if not await self._is_answered():
                raise ConnectionLost(store=self._target.location, problem="the server does not answer")

    async def _is_answered(self) -> bool:
        for _ in range(SILENT_TICKS):
            try:
                async with asyncio.timeout(TICK):
                    await self._answered.wait()
            except TimeoutError:
                continue
            return True
        return False
