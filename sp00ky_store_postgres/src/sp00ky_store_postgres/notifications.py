"""Hear of new jobs by LISTEN on a connection of its own; poll where no notification arrives."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.stores.subscription import Backoff, Broadcast, Subscription
from sp00ky_core.stores.transactional.watch import Notifications
from sp00ky_store_postgres import flow
from sp00ky_store_postgres.connection.connect import Workload, connect
from sp00ky_store_postgres.connection.executor import LONGEST_PAUSE, NOTIFY, Executor
from sp00ky_store_postgres.errors import translated
from sp00ky_store_postgres.sql.loader import read_sql
from sp00ky_store_postgres.url import PostgresOptions

logger: logging.Logger = logging.getLogger(__name__)

CHANNEL = "sp00ky"
PROOF_SECONDS = 2.0
PING_INTERVAL, PING_SECONDS = 10.0, 5.0
SHORTEST_POLL, LONGEST_POLL = 0.05, 1.0
"""Seconds between two questions for due jobs, where no notification can be expected."""
SILENT_SECONDS = 60.0
"""After which LISTEN gets another chance."""


class Listener(Notifications):
    """Sends the store's signals; listens to the database while anyone waits for work.

    Args:
        options: The store's URL.
        executor: Its connections.
        is_due: Tells whether a claim may find something.
        heard: Called before this process's own work is signalled.

    Attributes:
        changed_here: Signals that this process has changed jobs.
    """

    _executor: Executor

    def __init__(
        self,
        options: PostgresOptions,
        executor: Executor,
        is_due: Callable[[], Awaitable[bool]],
        heard: Callable[[], None],
    ) -> None:
        self._options = options
        self._executor = executor
        self._is_due = is_due
        self._on_work = heard
        self.changed_here: Broadcast = Broadcast()
        self._broadcast = Broadcast()
        self._flow = flow.Flow(self._broadcast.send)
        self._subscription = Subscription(
            self._broadcast,
            self._listen,
            describe=self._describe,
            name="LISTEN",
            backoff=Backoff(limit=LONGEST_PAUSE),
        )
        self._is_silent = False  # as behind a pooler: poll for a while, then try again

    def send(self, *, work: bool = False) -> None:
        """See ``Notifications.send``."""
        if work:
            self._on_work()
            self._broadcast.send()
        self.changed_here.send()

    def claimed(self) -> None:
        """Signal that a claim of this process got jobs."""
        self._flow.claimed()
        self.changed_here.send()

    def open(self) -> None:
        """See ``Notifications.open``."""
        self._broadcast.reopen()
        self.changed_here.reopen()

    async def close(self) -> None:
        """See ``Notifications.close``."""
        self.changed_here.close()
        self._broadcast.close()
        await self._subscription.stop()

    def work(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._subscription.subscribe()

    def _describe(self, error: Exception) -> str:
        return str(error if isinstance(error, Silent) else translated(error, self._options.direct_location))

    async def _listen(self, subscribed: Callable[[], None]) -> None:
        """Listen until the connection is lost. Raises ``Silent`` where no notification arrives."""
        if not self._options.notify:
            subscribed()
            await self._poll(math.inf)
        if self._is_silent:
            await self._poll(SILENT_SECONDS)
            self._is_silent = False
        session = _Session(await connect(self._options.direct_dsn, seconds=PING_SECONDS))
        looking = asyncio.create_task(self._flow.run(session.hold_notifications), name="sp00ky-flow")
        try:
            await prove(session.connection, self._executor, self._on_payload)
            await session.connection.add_listener(flow.CHANNEL, self._on_flow)
            subscribed()
            await session.until_lost()
            logger.info("the listening connection was lost; a new one is made")
        except Silent:
            self._is_silent = True
            raise
        finally:
            session.connection.terminate()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    def _on_payload(self, payload: str) -> None:
        if payload in self._executor.tables.heard:
            self._broadcast.send()

    def _on_flow(self, *arguments: object) -> None:
        payload = str(arguments[-1])
        if payload.removesuffix(flow.HELD) in self._executor.tables.heard:
            self._flow.heard(payload)

    async def _poll(self, seconds: float) -> None:
        """Ask for due jobs for so long instead, less and less often while there are none."""
        backoff, until = Backoff(first=SHORTEST_POLL, limit=LONGEST_POLL), time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                due = await self._is_due()
            except Sp00kyError as error:
                logger.warning("can't look for work: %s", error)
                due = False
            if due:
                self._broadcast.send()
                backoff.reset()
            await backoff.wait()


class _Session:
    """The one that listens; it runs a statement at a time."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.connection = connection
        self._is_free = asyncio.Lock()
        self._lost = asyncio.Event()
        self._locks: list[int] = []
        connection.add_termination_listener(lambda _: self._lost.set())

    async def until_lost(self) -> None:
        """Return when the server, or the way to it, is gone; raise what the driver says of it."""
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(PING_INTERVAL):
                    await self._lost.wait()
            except TimeoutError:
                async with self._is_free:
                    await self.connection.execute("SELECT 1")

    async def hold_notifications(self, names: Sequence[str]) -> float:
        """See ``Hold``: by locks, which end with this session, as it does where they can't be taken."""
        try:
            async with self._is_free:
                return await self._hold(names)
        except Exception:
            self.connection.terminate()  # on a new one jobs are looked for again
            raise

    async def _hold(self, names: Sequence[str]) -> float:
        row = await self.connection.fetchrow(read_sql("hold_notifications"), names, flow.CHANNEL, flow.HELD)
        past, self._locks = self._locks, row["locks"]
        await self.connection.execute(read_sql("let_notify"), past)
        seconds: float = row["seconds"]
        return seconds


class Silent(Exception):
    """LISTEN was accepted, and a notification didn't arrive."""

    def __str__(self) -> str:
        return (
            "LISTEN is accepted and stays silent, as behind a pooler in transaction mode: "
            "add listen_url=<the server itself> to the store's URL"
        )


async def prove(
    connection: asyncpg.Connection[Any],
    executor: Executor,
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
    await executor.fetch(Workload.REST, NOTIFY, token)
    try:
        async with asyncio.timeout(PROOF_SECONDS):
            await proven.wait()
    except TimeoutError:
        raise Silent from None


async def hears(executor: Executor, options: PostgresOptions) -> bool:
    """Tell whether a notification arrives on a connection that listens. Raises ``StoreUnavailable``."""
    try:
        connection = await connect(options.direct_dsn, seconds=PING_SECONDS)
    except Exception as error:
        raise translated(error, options.direct_location) from error
    try:
        await prove(connection, executor, lambda _: None)
    except Silent:
        return False
    finally:
        connection.terminate()
    return True
