"""Connections in lanes, so that no kind of call queues behind another; each call heals what it can."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import Sp00kyError, StoreUnavailable
from sp00ky_store_postgres.errors import is_lost, is_right, is_transient, translated
from sp00ky_store_postgres.keepalive import Connection
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.pool import Pool
from sp00ky_store_postgres.rights import lacking
from sp00ky_store_postgres.statements import read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Lane", "Connections", "Row", "connect", "pause"]

logger = logging.getLogger(__name__)

Row = Any  # an asyncpg.Record; of a caller's connection, a tuple

T = TypeVar("T")

CONNECT_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two tries: doubled from one to the other, drawn from the upper half."""
PATIENCE = 5.0
"""Seconds of trying until a caller is told that the database is unavailable; from a connection's loss on."""

ALWAYS = {"jit": "off"}
"""A statement that is run thousands of times a second gains nothing from being compiled each time."""
INDEXED = {
    **ALWAYS,
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Each call is for other rows than the last, and its plan is the same one all the same.
    "plan_cache_mode": "force_generic_plan",
}
"""Claims and settles go by an index, whatever the planner believes about a table that never stands still."""


class Lane(Enum):
    """A kind of call: its connections (None: as configured), their settings, seconds for a statement."""

    CLAIM = (2, INDEXED, 60.0)
    SETTLE = (1, INDEXED, 60.0)
    BEAT = (1, ALWAYS, 5.0)  # a later one would be stale
    REST = (None, ALWAYS, 60.0)

    def __init__(self, size: int | None, settings: dict[str, str], seconds: float) -> None:
        self.size = size
        self.settings = settings
        self.seconds = seconds


async def connect(dsn: str, *, seconds: float = 60.0) -> asyncpg.Connection[Row]:
    """A connection of its own, outside the lanes."""
    return await uncut(
        asyncpg.connect(
            dsn,
            connection_class=Connection,
            timeout=CONNECT_SECONDS,
            command_timeout=seconds,
            statement_cache_size=0,
            server_settings=_named(dsn),
        )
    )


def _named(dsn: str) -> dict[str, str]:
    """What the server's lists show, unless the URL says something else."""
    given = "application_name" in parse_qs(urlsplit(dsn).query)
    return {} if given else {"application_name": "sp00ky"}


async def uncut(connecting: Coroutine[Any, Any, Any]) -> Any:
    """Connect to the end, also where the caller is cancelled meanwhile; then nobody gets the connection.

    The driver, cut off between its socket and its first message, leaves an exception that nobody retrieves.
    """
    task = asyncio.create_task(connecting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_let_go)
        raise


def _let_go(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()


async def pause(seconds: float) -> float:
    """Wait between two tries; how long to wait the next time."""
    await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
    return min(seconds * 2, LONGEST_PAUSE)


class Connections:
    """The store's pools, one for each lane; connections are made when they are needed."""

    def __init__(self, options: PostgresOptions, tables: Tables) -> None:
        self._options = options
        self._tables = tables
        self._pools: dict[Lane, Pool] = {}
        self._doubted: list[Any] = []  # what was connected when a beat failed

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return bool(self._pools)

    async def open(self) -> None:
        """Connect once. Raises ``StoreUnavailable``, or what else the server says."""
        if self._pools:
            return
        pools = {lane: self._pool(lane) for lane in Lane}
        try:
            first = await pools[Lane.REST].acquire()
        except Exception as error:
            raise translated(error, self._options.location) from error
        pools[Lane.REST].release(first, sound=True)
        self._pools = pools

    async def close(self) -> None:
        """Let calls that are under way end, for a while, and let go of everything."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.close()

    async def fetch(self, lane: Lane, statement: str, *arguments: object) -> list[Row]:
        """A statement's rows, in a transaction of its own."""
        return await self.run(lane, lambda connection: connection.fetch(statement, *arguments))

    async def beat(self, statement: str, *arguments: object) -> list[Row]:
        """A runner's sign of life, by which it also shows that older connections have fallen silent.

        Where one has failed and a later one gets through, the older connections are ended, unless they are
        at work on the server: whatever waits for them would do so until it times out. (Behind a pooler all
        of them are ended: it hides their sessions. What was cut off is done again.)
        """
        try:
            rows = await self.fetch(Lane.BEAT, statement, *arguments)
        except StoreUnavailable:
            self._doubted = [each for pool in self._pools.values() for each in pool.connections()]
            raise
        if self._doubted:
            await self._end_silent()
        return rows

    async def _end_silent(self) -> None:
        doubted = [each for each in self._doubted if not each.is_closed()]
        pids = [each.get_server_pid() for each in doubted]
        try:
            rows = await self._run_once(
                self._open_pool(Lane.BEAT), lambda connection: connection.fetch(read_sql("at_work"), pids)
            )
        except Exception as error:  # noqa: BLE001  # the next beat finds out
            logger.debug("it can't be seen which connections are at work: %s", error)
            return
        at_work, self._doubted = {row[0] for row in rows}, []
        for pid, connection in zip(pids, doubted, strict=True):
            if pid not in at_work:
                connection.terminate()

    async def run(self, lane: Lane, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do some work on a connection; it is repeated where the connection was lost.

        A repetition may find that the first time had got through: ``work`` must allow for it.

        Raises:
            StoreUnavailable: the database didn't come back within a few seconds.
            Sp00kyError: what else it said.
        """
        give_up_at, next_pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                return await self._run_once(self._open_pool(lane), work)
            except Exception as error:
                if next_pause == FIRST_PAUSE and is_lost(error):
                    give_up_at = time.monotonic() + PATIENCE  # nobody tried meanwhile: it waited in silence
                late = time.monotonic() + next_pause > give_up_at
                if late or not self._pools or not is_transient(error):
                    if isinstance(error, Sp00kyError):
                        raise
                    hint = await self._lack(error) if is_right(error) else ""
                    raise translated(error, self._options.location, hint=hint) from error
            next_pause = await pause(next_pause)

    async def _lack(self, refused: BaseException) -> str:
        """Which right it was; empty where the database doesn't say."""
        try:
            lacks = await self._run_once(
                self._open_pool(Lane.REST), lambda connection: lacking(connection, self._tables)
            )
        except Exception:  # noqa: BLE001  # what was refused is told, with or without this
            return ""
        named = [each for each in lacks if each.name is None or each.name in str(refused)]
        if not named:
            return ""
        # The database doesn't say which right it missed, and an enqueue needn't have all of a runner's.
        which = f"{'; '.join(map(str, named))} (an enqueue needs SELECT and INSERT)"
        return f": {which}; grant it what it needs, or connect as the tables' owner"

    async def _run_once(self, pool: Pool, work: Callable[[Any], Awaitable[T]]) -> T:
        connection = await pool.acquire()
        try:
            result = await work(connection)
        except BaseException as error:
            # One whose statement was cut off may still be at it; one that said no is as good as ever.
            pool.release(connection, sound=isinstance(error, asyncpg.PostgresError))
            raise
        pool.release(connection, sound=True)
        return result

    def _open_pool(self, lane: Lane) -> Pool:
        try:
            return self._pools[lane]
        except KeyError:
            raise StoreUnavailable(
                store=self._options.location,
                problem="the store isn't open: use it inside `async with Outbox.open(...)`",
            ) from None

    def _pool(self, lane: Lane) -> Pool:
        pooled, notify = self._options.pooled, "on" if self._options.notify else "off"
        settings = {**lane.settings, **_named(self._options.dsn), "sp00ky.notify": notify}

        async def connect() -> asyncpg.Connection[Row]:
            return await uncut(
                asyncpg.connect(
                    self._options.dsn,
                    connection_class=Connection,
                    timeout=CONNECT_SECONDS,
                    command_timeout=lane.seconds,
                    # Behind a pooler in transaction mode each has another session, which refuses settings.
                    statement_cache_size=0 if pooled else 100,
                    max_cacheable_statement_size=0,
                    server_settings={} if pooled else settings,
                )
            )

        return Pool(lane.size or self._options.connections, connect)
