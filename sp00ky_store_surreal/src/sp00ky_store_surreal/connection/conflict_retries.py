"""Send statements to the engine or a server: in turn where they must be, again where they collide."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import attrs

from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_surreal.connection.embedded_engine import Engine
from sp00ky_store_surreal.connection.reconnecting_pool import Lane, Lanes
from sp00ky_store_surreal.embedded_or_server import EMBEDDED, SERVER, Dialect
from sp00ky_store_surreal.errors import Conflict
from sp00ky_store_surreal.url import Target

__all__ = ["CLAIMING", "ONCE", "TRIES", "Connection", "Lane", "Way"]

_log = logging.getLogger(__name__)

TRIES = 8
"""How often a statement whose transaction collided is sent."""


@attrs.frozen(kw_only=True)
class Way:
    """A way to send a statement that writes.

    Attributes:
        lane: Its kind of call.
        alone: Whether it waits for other writes of an embedded database; False: few others write its rows.
        resend: False: a lost reply raises ``ConnectionLost``, for it mustn't be sent twice.
        tries: How often it is sent where its transaction collides.
    """

    lane: Lane = Lane.REST
    alone: bool = True
    resend: bool = True
    tries: int = TRIES


WAITING = Way()

ONCE = Way(resend=False)
"""A lost reply is reported to the caller, who knows what to do when it repeats the statement."""

CLAIMING = Way(lane=Lane.CLAIM, resend=False)
"""A claim whose reply was lost is reported to the caller, who releases what it may have taken."""


class Connection:
    """Sends statements; any number of tasks may call at the same time.

    The embedded engine (2.3) loses updates when two transactions write one row at the same time, without an
    error. So embedded writes wait for each other; reads, and ways that aren't ``alone``, don't wait.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.dialect: Dialect = EMBEDDED if target.embedded else SERVER
        self.written: Counter[Lane] = Counter()  # how many writes were sent
        self.collided: Counter[Lane] = Counter()  # how many of them collided with another writer's
        self._link: Engine | Lanes = Engine(target) if target.embedded else Lanes(target)
        self._writes = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Connect, sign in, choose the database. Raises ``StoreInUse`` or ``StoreUnavailable``."""
        await self._link.open()

    async def close(self) -> None:
        """Let what is running end, then let go of the connections and the file."""
        if self._running and self.target.embedded:
            await asyncio.wait(self._running)
        await self._link.close()

    async def read(self, statement: str, **bindings: Any) -> list[Any]:
        """Send statements that write nothing; return each one's result."""
        return await self._link.ask(statement, bindings, lane=Lane.REST, resend=True)

    async def write(self, statement: str, how: Way = WAITING, **bindings: Any) -> list[Any]:
        """Send statements; return each one's result. A transaction that collided is sent again.

        A cancelled caller doesn't wait; the write that it began is finished, and holds the turn until then.
        """
        task = asyncio.ensure_future(self._write(statement, bindings, how))
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, where the caller was cancelled

    async def _write(self, statement: str, bindings: Mapping[str, Any], how: Way) -> list[Any]:
        waits = how.alone and self.target.embedded
        turn: AbstractAsyncContextManager[Any] = self._writes if waits else nullcontext()
        backoff, tries = Backoff(first=0.0025, limit=1.0), 0
        while True:
            self.written[how.lane] += 1
            try:
                async with turn:
                    return await self._link.ask(statement, bindings, lane=how.lane, resend=how.resend)
            except Conflict:
                tries += 1
                self.collided[how.lane] += 1
                _log.debug("%s: %d of %d collided", how.lane, self.collided[how.lane], self.written[how.lane])
                if tries == how.tries:
                    raise
            await backoff.wait()
