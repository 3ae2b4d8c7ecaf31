"""Wake-up by NOTIFY, on a connection of its own that proves itself; where it stays silent, the store asks."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.stores.signal import Signal
from sp00ky_store_postgres.connections import FIRST_PAUSE, Connections, Lane, connect, pause
from sp00ky_store_postgres.errors import translated
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.tables import Tables

__all__ = ["Listener", "hears", "CHANNEL", "NOTIFY"]

logger = logging.getLogger(__name__)

CHANNEL = "sp00ky"
NOTIFY = "SELECT pg_notify('sp00ky', $1)"
PROOF_SECONDS = 2.0
PING_INTERVAL, PING_SECONDS = 10.0, 5.0
SHORTEST_LOOK, LONGEST_LOOK = 0.05, 1.0
"""Seconds between two questions for due jobs, where no notification can be expected."""


class Listener:
    """Sends the store's signal; runs while anybody listens."""

    def __init__(
        self,
        options: PostgresOptions,
        tables: Tables,
        connections: Connections,
        is_due: Callable[[], Awaitable[bool]],
    ) -> None:
        self._options = options
        self._connections = connections
        self._is_due = is_due
        self._ours = frozenset(f"{tables.schema}.{table.table}" for table in tables.all)
        self._signal = Signal()
        self._task: asyncio.Task[None] | None = None
        self._listeners = 0
        self._told = False
        self._tried = asyncio.Event()  # the first try to listen has ended, well or not

    def send(self) -> None:
        """Wake this process's listeners without a round trip."""
        self._signal.send()

    def reopen(self) -> None:
        """Let listeners in again."""
        if self._signal.closed:
            self._signal = Signal()
            self._tried.clear()

    async def close(self) -> None:
        """End every subscription."""
        self._signal.close()
        await self._stop()
        self._tried.set()

    async def subscribe(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="sp00ky-listener")
        signals = self._signal.subscribe()
        try:
            await self._tried.wait()  # so that what the first signal leads to comes after LISTEN
            async for _ in signals:
                yield None
        finally:
            await signals.aclose()
            self._listeners -= 1
            if not self._listeners:
                await self._stop()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        self._tried.clear()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        if not self._options.notify:
            self._tried.set()
            await self._look_for_work(for_ever=True)
        seconds = FIRST_PAUSE
        while True:
            try:
                await self._listen()
                seconds = FIRST_PAUSE
            except Silent as problem:
                self._tell(f"{problem}; new jobs are found by polling")
                self._ready()
                await self._look_for_work(for_ever=False)
            except Exception as error:  # noqa: BLE001  # whatever broke, the next connection may work
                self._tell(
                    f"new jobs are found by polling: {translated(error, self._options.direct_location)}"
                )
                self._tried.set()
            seconds = await pause(seconds)

    def _tell(self, problem: str) -> None:
        """Once for each outage."""
        logger.log(logging.DEBUG if self._told else logging.WARNING, "%s", problem)
        self._told = True

    async def _listen(self) -> None:
        """Listen until the connection is lost. Raises ``Silent`` where no notification arrives."""
        connection = await connect(self._options.direct_dsn, seconds=PING_SECONDS)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await prove(connection, self._connections, self._options, self._heard)
            self._ready()
            self._told = False
            while not lost.is_set():
                try:
                    async with asyncio.timeout(PING_INTERVAL):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1")
            logger.info("the listening connection was lost; a new one is made")
        finally:
            connection.terminate()

    def _ready(self) -> None:
        if self._tried.is_set():
            self._signal.send()  # for what came while nobody listened; the first signal needs no sending
        self._tried.set()

    def _heard(self, payload: str) -> None:
        if payload in self._ours:
            self._signal.send()

    async def _look_for_work(self, *, for_ever: bool) -> None:
        """Ask for due jobs instead, more and more rarely while there are none; for ever, or for a while."""
        seconds, looks = SHORTEST_LOOK, 0
        while for_ever or looks < 60:  # noqa: PLR2004  # about a minute, then LISTEN gets another chance
            looks += 1
            try:
                due = await self._is_due()
            except Sp00kyError as error:
                logger.warning("can't look for work: %s", error)
                due = False
            if due:
                self._signal.send()
            seconds = SHORTEST_LOOK if due else min(seconds * 2, LONGEST_LOOK)
            await asyncio.sleep(seconds)


class Silent(Exception):
    """LISTEN was accepted, and a notification didn't arrive."""

    def __str__(self) -> str:
        return (
            "LISTEN is accepted and stays silent, as behind a pooler in transaction mode: "
            "add listen_url=<the server itself> to the store's URL"
        )


async def prove(
    connection: asyncpg.Connection[Any],
    connections: Connections,
    options: PostgresOptions,
    heard: Callable[[str], None],
) -> None:
    """Listen, and wait for a notification of our own. Raises ``Silent``.

    It is sent on another connection: a pooler may well deliver what a client sends to itself.
    """
    token = f"proof {secrets.token_hex(8)}"
    proven = asyncio.Event()

    def on_notification(*arguments: object) -> None:
        payload = str(arguments[-1])
        if payload == token:
            proven.set()
        else:
            heard(payload)

    await connection.add_listener(CHANNEL, on_notification)
    await connections.fetch(Lane.REST, NOTIFY, token)
    try:
        async with asyncio.timeout(PROOF_SECONDS):
            await proven.wait()
    except TimeoutError:
        raise Silent from None


async def hears(connections: Connections, options: PostgresOptions) -> bool:
    """Whether a notification arrives on a connection that listens. Raises ``StoreUnavailable``."""
    try:
        connection = await connect(options.direct_dsn, seconds=PING_SECONDS)
    except Exception as error:
        raise translated(error, options.direct_location) from error
    try:
        await prove(connection, connections, options, lambda _: None)
    except Silent:
        return False
    finally:
        connection.terminate()
    return True
