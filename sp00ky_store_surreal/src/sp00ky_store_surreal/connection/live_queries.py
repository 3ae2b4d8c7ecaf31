"""Keep LIVE queries over a connection of its own, which proves itself again and again.

Notifications aren't decoded here, which under load would cost more than what most listeners need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from sp00ky_core.stores.subscription import Broadcast, Subscription
from sp00ky_store_surreal.connection.cbor import killed_query, results_of
from sp00ky_store_surreal.connection.websocket import LOST, ServerConnection, answer_of, connected
from sp00ky_store_surreal.errors import ConnectionLost, TableMissing, translated
from sp00ky_store_surreal.surql.loader import surql
from sp00ky_store_surreal.url import Target

PROOF_INTERVAL = 2.0
"""Seconds between two questions whether the server and the session are still there."""

TICK = 1.0
"""Seconds between two looks for the answer."""


class Live:
    """Subscribes while anyone listens to its broadcast.

    Args:
        target: The server.
        lives: A LIVE statement for each table.
        broadcast: Wakes the listeners.
        heard: Called with each notification, and with None after each subscription.
        lost: Called after each subscription has ended.
    """

    def __init__(
        self,
        target: Target,
        lives: Mapping[str, str],
        broadcast: Broadcast,
        *,
        heard: Callable[[bytes | None], None],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._target = target
        self._lives = lives
        self._heard = heard
        self._lost = lost
        self._resting: set[str] = set()
        self._killed: set[UUID] = set()  # queries that the server has ended
        self._turned = asyncio.Event()  # a table rests, or doesn't any more, or its query has ended
        self.subscription: Subscription = Subscription(
            broadcast, self._listen, describe=self._describe, name="LIVE"
        )
        self.is_live: bool = False
        """Whether notifications come."""

    def rest(self, table: str) -> None:
        """Do without a table's notifications: each of its rows that changes costs the server less then."""
        if table not in self._resting:
            self._resting.add(table)
            self._turned.set()

    def wake(self, table: str) -> None:
        """Ask for a table's notifications again; listeners are woken once it has subscribed."""
        if table in self._resting:
            self._resting.discard(table)
            self._turned.set()

    def _describe(self, error: Exception) -> str:
        return f"{self._target.location}: {translated(self._target.location, error).problem}"

    async def _listen(self, subscribed: Callable[[], None]) -> None:
        try:
            connection = await connected(self._target, self._notified)
            try:
                queries: dict[str, UUID] = {}
                await self._turn(connection, queries)
                self.is_live = True
                self._heard(None)  # for what came while no one listened
                subscribed()
                await self._follow(connection, queries)
            finally:
                self.is_live = False
                await connection.close()
        finally:
            self._lost()

    def _notified(self, news: bytes) -> None:
        killed = killed_query(news)
        if killed is None:
            self._heard(news)
        else:
            self._killed.add(killed)
            self._turned.set()

    async def _turn(self, connection: ServerConnection, queries: dict[str, UUID]) -> bool:
        """Subscribe to the tables that are there and aren't resting; say whether there was a new one."""
        self._turned.clear()
        for table in [name for name, query in queries.items() if query in self._killed]:
            del queries[table]
        self._killed.clear()
        for table in queries.keys() & self._resting:
            await self._ask(connection, surql("watch_end_live_query", query=str(queries.pop(table))))
        before = len(queries)
        for table in self._lives.keys() - self._resting - queries.keys():
            with suppress(TableMissing):  # it may be made later: the next turn sees
                queries[table] = (await self._ask(connection, self._lives[table]))[0]
        return len(queries) > before

    async def _ask(self, connection: ServerConnection, statement: str) -> list[Any]:
        return results_of(self._target.location, await answer_of(connection.query_raw(statement, {}), TICK))

    async def _follow(self, connection: ServerConnection, queries: dict[str, UUID]) -> None:
        """Turn and prove until the connection is lost. Raises what it is lost by."""
        ended = asyncio.ensure_future(connection.ended())
        ended.add_done_callback(lambda _: self._turned.set())
        try:
            while not ended.done():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROOF_INTERVAL):
                        await self._turned.wait()
                if ended.done():
                    break
                if not self._turned.is_set():
                    await self._ask(connection, "RETURN 1")  # a server whose session has ended refuses it
                if await self._turn(connection, queries):
                    self._heard(None)
            raise ConnectionLost(store=self._target.location, problem=LOST)
        finally:
            ended.cancel()
