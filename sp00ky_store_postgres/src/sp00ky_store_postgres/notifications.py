"""Hear of new jobs by LISTEN on a connection of its own; poll where no notification arrives."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import Sp00kyError, StoreError
from sp00ky_core.stores.subscription import Backoff, Broadcast, Subscription
from sp00ky_store_kit.watch import Notifications
from sp00ky_store_postgres.connection.connect import Workload, connect
from sp00ky_store_postgres.connection.statements import LONGEST_PAUSE, NOTIFY, Executor
from sp00ky_store_postgres.errors import translated
from sp00ky_store_postgres.polling_under_load import FLOW_CHANNEL, HELD, Flow
from sp00ky_store_postgres.sql.loader import read_sql

logger: logging.Logger = logging.getLogger(__name__)

CHANNEL = "sp00ky"
PROOF_SECONDS = 2.0
PING_INTERVAL, PING_SECONDS = 10.0, 5.0
SHORTEST_POLL, LONGEST_POLL = 0.05, 1.0
"""Seconds between two questions for due jobs, where no notification can be expected."""
SILENT = (
    "LISTEN is accepted and stays silent, as behind a pooler in transaction mode: "
    "add listen_url=<the server itself> to the store's URL"
)
SILENT_SECONDS = 60.0
"""Seconds after which LISTEN gets another chance."""


class Listener(Notifications):
    """Sends the store's signals; listens to the database while anyone waits for work.

    Args:
        executor: The store's connections.
        is_due: Tells whether a claim may find something.
        heard: Called before this process's own work is signalled.

    Attributes:
        changed_here: Signals that this process has changed jobs.
    """

    _executor: Executor

    def __init__(
        self, executor: Executor, is_due: Callable[[], Awaitable[bool]], heard: Callable[[], None]
    ) -> None:
        super().__init__(self.work, executor, executor.tables.all, heard)  # `_listen` is its own
        self._is_due = is_due
        self.changed_here: Broadcast = self._changed
        self._flow = Flow(self._work.send)
        self._subscription = Subscription(
            self._work,
            self._listen,
            describe=lambda error: str(translated(error, executor.options.direct_location)),
            name="LISTEN",
            backoff=Backoff(limit=LONGEST_PAUSE),
        )
        self._is_silent = False  # as behind a pooler: poll for a while, then try again

    def claimed(self) -> None:
        """Signal that a claim of this process got jobs."""
        self._flow.claimed()
        self._changed.send()

    def work(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._subscription.subscribe()

    async def _listen(self, subscribed: Callable[[], None]) -> None:
        """Listen until the connection is lost. Raises ``StoreError`` where no notification arrives."""
        options = self._executor.options
        if not options.notify:
            subscribed()
            await self._poll(math.inf)
        if self._is_silent:
            await self._poll(SILENT_SECONDS)
            self._is_silent = False
        session = _Session(await connect(options.direct_dsn, seconds=PING_SECONDS))
        looking = asyncio.create_task(self._flow.run(session.hold_notifications), name="sp00ky-flow")
        try:
            await session.connection.add_listener(CHANNEL, self._on_payload)
            self._is_silent = not await is_heard(session.connection, self._executor)
            if self._is_silent:
                raise StoreError(store=self._executor.location, problem=SILENT)
            await session.connection.add_listener(FLOW_CHANNEL, self._on_payload)
            subscribed()
            await session.until_lost()
            logger.info("the listening connection was lost; a new one is made")
        finally:
            session.connection.terminate()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    def _on_payload(self, *arguments: object) -> None:
        *_, channel, payload = map(str, arguments)
        if payload.removesuffix(HELD) not in self._executor.tables.heard:
            return
        if channel == FLOW_CHANNEL:
            self._flow.heard(payload)
        else:
            self._work.send()

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
                self._work.send()
                backoff.reset()
            await backoff.wait()


class _Session:
    """The connection that listens; it runs a statement at a time."""

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
                hold = read_sql("hold_notifications")
                row = await self.connection.fetchrow(hold, names, FLOW_CHANNEL, HELD)
                past, self._locks = self._locks, row["locks"]
                await self.connection.execute(read_sql("let_notify"), past)
        except Exception:
            self.connection.terminate()  # on a new one jobs are looked for again
            raise
        return float(row["seconds"])


async def is_heard(connection: asyncpg.Connection[Any], executor: Executor) -> bool:
    """Listen, and tell whether a notification of our own arrives.

    It is sent on another connection: a pooler may well deliver what a client sends to itself.
    """
    token, proven = f"proof {secrets.token_hex(8)}", asyncio.Event()

    def on_notification(*arguments: object) -> None:
        if arguments[-1] == token:
            proven.set()

    await connection.add_listener(CHANNEL, on_notification)
    await executor.fetch(Workload.REST, NOTIFY, token)
    with suppress(TimeoutError):
        async with asyncio.timeout(PROOF_SECONDS):
            await proven.wait()
    await connection.remove_listener(CHANNEL, on_notification)
    return proven.is_set()
