"""Supervise connections to a server, one for each kind of call; make one anew when it is lost.

Callers wait for it. A connection ends once; what wasn't answered over it is asked again over the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from websockets.exceptions import WebSocketException

from sp00ky_core.errors import StoreClosed, StoreUnavailable
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_surreal.connection.cbor import results_of
from sp00ky_store_surreal.connection.websocket import LOST, ServerConnection, answer_of, connected
from sp00ky_store_surreal.errors import SILENT, ConnectionLost, PlaceMissing, SessionEnded, translated
from sp00ky_store_surreal.url import Target


class Lane(StrEnum):
    """A kind of call; over a network each has a connection of its own, made when it is needed."""

    CLAIM = "claims"
    SETTLE = "settles"
    BEAT = "beats"
    DELETE = "deletes"
    REST = "other"


class Lanes:
    """Holds a server's connections, one for each lane."""

    def __init__(self, target: Target) -> None:
        self._lines = {lane: Line(target, lane.value) for lane in Lane}
        self.is_open: bool = False

    async def open(self) -> None:
        """Connect once. Raises ``StoreUnavailable``."""
        if self.is_open:
            return
        for lane, line in self._lines.items():
            await line.open(now=lane is Lane.REST)
        self.is_open = True

    async def close(self) -> None:
        """Let go of every connection."""
        self.is_open = False
        for line in self._lines.values():
            await line.close()

    async def ask(
        self, statement: str, bindings: Mapping[str, Any], *, lane: Lane, resend: bool
    ) -> list[Any]:
        """See ``Line.ask``."""
        return await self._lines[lane].ask(statement, bindings, resend=resend)


_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a call waits for a connection, sending anew included, until it raises."""

TICK = 1.0
"""Seconds between two looks at whether a ping was answered."""

CLOSE_SECONDS = 5.0
"""Seconds for calls under way to end when the store is closed."""


class Line:
    """Sends statements; any number of tasks may call at the same time."""

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self._name = name
        self._connection: ServerConnection | None = None
        self._closed = True
        self._healing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._backoff = Backoff()
        self._failed = False  # a try, or a call over the connection that it made
        self._problem = ""
        self._was_lost = False

    async def open(self, *, now: bool) -> None:
        """Let calls in; ``now``: connect too, and raise what keeps it from that.

        Raises:
            StoreUnavailable: no server answers.
            StoreError: the server is too old, or doesn't let us sign in.
        """
        self._closed = False
        if now and self._connection is None:
            try:
                self._adopt(await connected(self._target))
            except Exception as error:
                self._closed = True
                raise translated(self._target.location, error) from error

    async def close(self) -> None:
        """Let calls that are under way end, for a while, and let go of the connection."""
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=CLOSE_SECONDS)
        tasks = [task for task in (self._healing, self._watching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._healing = self._watching = None
        if self._connection is not None:
            self._let_go(self._connection)
        await asyncio.gather(*self._ending, return_exceptions=True)
        self._failed, self._problem = False, ""

    async def ask(self, statement: str, bindings: Mapping[str, Any], *, resend: bool) -> list[Any]:
        """Send statements; return each one's result.

        ``resend``: send them anew where the connection was lost before the reply came, which they must allow
        for. A connection is waited for in any case.

        Raises:
            ConnectionLost: not ``resend``, and they may have been carried out.
            StoreUnavailable: there was no connection for ``PATIENCE`` seconds.
            PlaceMissing: there is no such namespace or database.
        """
        give_up_at = _now() + PATIENCE
        looked_again = False
        while True:
            connection = await self._open_one(give_up_at)
            try:
                results = await self._ask(connection, statement, bindings)
            except PlaceMissing:
                self._let_go(connection)  # the next one chooses it, if it has been made meanwhile
                if looked_again:
                    raise
                looked_again = True
            except (ConnectionLost, SessionEnded) as error:
                self._condemn(connection, error.problem)
                hopeless = isinstance(error, ConnectionLost) and not resend
                if hopeless or self._closed or _now() >= give_up_at:
                    raise
            else:
                self._failed = False
                return results

    async def _ask(
        self, connection: ServerConnection, statement: str, bindings: Mapping[str, Any]
    ) -> list[Any]:
        call = asyncio.ensure_future(connection.query_raw(statement, bindings))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        call.add_done_callback(_see)
        location = self._target.location
        try:
            reply = await asyncio.shield(call)  # a cancelled caller leaves it: what was sent is carried out
        except (OSError, WebSocketException) as error:
            raise ConnectionLost(store=location, problem=f"{LOST} before the reply came") from error
        except Exception as error:
            raise translated(location, error) from error
        return results_of(location, reply)

    async def _open_one(self, give_up_at: float) -> ServerConnection:
        """Return the connection, once there is one that is open."""
        while True:
            connection = self._connection
            if connection is not None and connection.is_open:
                return connection
            if connection is not None:
                self._condemn(connection, LOST)
            if self._closed:
                raise StoreClosed(store=self._target.location)
            if self._healing is None:
                self._healing = asyncio.create_task(self._heal(), name=f"surreal-heal-{self._name}")
            done, _ = await asyncio.wait([self._healing], timeout=max(give_up_at - _now(), 0.0))
            if not done:
                raise StoreUnavailable(store=self._target.location, problem=self._problem or SILENT)

    async def _heal(self) -> None:
        try:
            while not self._closed:
                if self._failed:
                    await self._backoff.wait()
                else:
                    self._backoff.reset()
                self._failed = True
                if await self._reconnect():
                    return
        finally:
            self._healing = None

    async def _reconnect(self) -> bool:
        try:
            self._adopt(await connected(self._target))
        except Exception as error:  # noqa: BLE001  # whatever it is, the next try may succeed
            self._problem = translated(self._target.location, error).problem
            _log.debug("no %s connection yet: %s", self._name, self._problem)
            return False
        level = logging.INFO if self._was_lost else logging.DEBUG
        _log.log(level, "%s: the %s connection was made", self._target.location, self._name)
        self._was_lost = False
        return True

    def _adopt(self, connection: ServerConnection) -> None:
        self._connection, self._problem = connection, ""
        self._watching = asyncio.create_task(self._watch(connection), name=f"surreal-watch-{self._name}")

    async def _watch(self, connection: ServerConnection) -> None:
        """Ping, so that a server that hangs and a socket that is half open are noticed."""
        try:
            while True:
                await answer_of(connection.ping(), TICK)
                await asyncio.sleep(TICK)
        except TimeoutError:
            self._condemn(connection, SILENT)
        except (WebSocketException, OSError):
            self._condemn(connection, LOST)

    def _condemn(self, connection: ServerConnection, problem: str) -> None:
        if self._connection is not connection:
            return
        _log.warning("%s: %s; the %s connection is made anew", self._target.location, problem, self._name)
        self._was_lost = True
        self._let_go(connection)

    def _let_go(self, connection: ServerConnection) -> None:
        if self._connection is not connection:
            return
        self._connection = None
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()
        self._watching = None
        ending = asyncio.ensure_future(connection.close())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _see(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from complaining of an error that no caller waits for any more."""
    if not task.cancelled():
        task.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
