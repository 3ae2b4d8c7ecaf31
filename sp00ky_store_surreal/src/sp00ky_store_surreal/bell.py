"""Rings for each notification of LIVE queries, on a connection of its own that proves itself again and again.

Notifications aren't decoded, which under load would cost more than what they tell: there may be something.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any
from uuid import UUID

from sp00ky_core.stores.signal import Signal
from sp00ky_store_surreal.errors import ConnectionLost, translated
from sp00ky_store_surreal.queries import surql
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
    """Runs while anybody listens to its signal; ``lives`` has a LIVE statement for each table."""

    def __init__(self, target: Target, lives: Mapping[str, str], ring: Callable[[], None]) -> None:
        self._target = target
        self._lives = lives
        self._ring = ring
        self._resting: set[str] = set()
        self._turned = asyncio.Event()  # a table rests, or doesn't any more
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

    def rest(self, table: str) -> None:
        """Nobody needs to hear of a table: each of its rows that changes costs the server less then."""
        if table not in self._resting:
            self._resting.add(table)
            self._turned.set()

    def wake(self, table: str) -> None:
        """Somebody needs to hear of a table again: it rings once it has subscribed."""
        if table in self._resting:
            self._resting.discard(table)
            self._turned.set()

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
                    queries: dict[str, UUID] = {}
                    await self._turn(connection, queries)
                    self._subscribed()
                    pause = 0.0
                    await self._listen(connection, queries)
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

    def _subscribed(self) -> None:
        self._ring()  # for what came while nobody listened
        self._tried.set()
        if self._told:
            _log.warning("%s: LIVE works again", self._target.location)
        self._told = False

    async def _turn(self, connection: ServerConnection, queries: dict[str, UUID]) -> bool:
        """Subscribe to the tables that aren't resting, and to no other; whether there was a new one."""
        self._turned.clear()
        for table in queries.keys() & self._resting:
            await self._ask(connection, surql("kill", query=str(queries.pop(table))))
        new = self._lives.keys() - self._resting - queries.keys()
        for table in new:
            queries[table] = (await self._ask(connection, self._lives[table]))[0]
        return bool(new)

    async def _ask(self, connection: ServerConnection, statement: str) -> list[Any]:
        return results_of(self._target.location, await answer_of(connection.query_raw(statement, {}), TICK))

    async def _listen(self, connection: ServerConnection, queries: dict[str, UUID]) -> None:
        """Until the connection is lost, or proves nothing any more. Raises what it is lost by."""
        ended = asyncio.ensure_future(connection.ended())
        try:
            while not ended.done():
                turned = asyncio.ensure_future(self._turned.wait())
                try:
                    await asyncio.wait(
                        [ended, turned], timeout=PROOF_INTERVAL, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    turned.cancel()
                if ended.done():
                    break
                if not self._turned.is_set():
                    await self._ask(connection, "RETURN 1")  # a server whose session has ended refuses it
                elif await self._turn(connection, queries):
                    self._ring()
            raise ConnectionLost(store=self._target.location, problem=LOST)
        finally:
            ended.cancel()
