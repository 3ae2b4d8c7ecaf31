"""Open sessions: named in the server's lists, bounded in time, on sockets that notice a vanished peer."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine, Mapping
from enum import Enum
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_store_postgres.schema.definition import LONGEST_NAME
from sp00ky_store_postgres.sql.loader import read_sql
from sp00ky_store_postgres.url import PostgresOptions

CONNECT_SECONDS = 10.0
BEYOND_CLIENT = 2.0
"""Seconds by which the server is more patient with a statement than its client, which cancels it."""

GIVE_UP_SECONDS = 10
"""Seconds for which what was sent may stay unacknowledged; a server that is at work does acknowledge."""

SETTINGS = (
    ("TCP_KEEPIDLE", 5),  # seconds of silence until the peer is asked whether it is there...
    ("TCP_KEEPALIVE", 5),  # (as macOS calls it)
    ("TCP_KEEPINTVL", 2),  # ...again after so many...
    ("TCP_KEEPCNT", 3),  # ...so often
    ("TCP_USER_TIMEOUT", GIVE_UP_SECONDS * 1_000),
)
"""Options of a socket; each platform has some of them."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # as above
    """A connection of the driver's, on a socket that notices when its peer is gone.

    Otherwise a statement that is sent after a failover without RST waits for its whole timeout.
    """

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        """Set up the socket as the driver opens it."""
        super().__init__(protocol, transport, *others)
        carrier = transport.get_extra_info("socket")
        if carrier is None or carrier.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        carrier.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in SETTINGS:
            if hasattr(socket, name):
                carrier.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def session_for(workload: Workload, options: PostgresOptions) -> asyncpg.Connection[Any]:
    """Open a session for a workload's pool."""
    if options.pooled:  # each statement has another session, which refuses settings
        return await _connect(options.dsn, workload.seconds)
    own = {**workload.settings, **_named(options.dsn), "sp00ky.notify": "on" if options.notify else "off"}
    connection = await _connect(options.dsn, workload.seconds, cached=100, settings=own)
    try:  # the server gives up each statement after so long
        bound = f"{(workload.seconds + BEYOND_CLIENT) * 1000:.0f}ms"
        await connection.fetch(read_sql("bound"), bound, timeout=CONNECT_SECONDS)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def connect(dsn: str, *, seconds: float = 60.0) -> asyncpg.Connection[Any]:
    """Open a connection outside the pools."""
    return await _connect(dsn, seconds, settings=_named(dsn))


async def _connect(
    dsn: str, seconds: float, *, cached: int = 0, settings: Mapping[str, str] | None = None
) -> asyncpg.Connection[Any]:
    connecting = asyncpg.connect(
        dsn,
        connection_class=_Connection,
        timeout=CONNECT_SECONDS,
        command_timeout=seconds,
        statement_cache_size=cached,
        max_cacheable_statement_size=0,
        server_settings=settings,
    )
    return await uncut(connecting)


def _named(dsn: str) -> dict[str, str]:
    """Name the process and its host in the server's lists, unless the URL says something else."""
    if "application_name" in parse_qs(urlsplit(dsn).query):
        return {}
    return {"application_name": application_name(socket.gethostname(), os.getpid())}


def application_name(host: str, pid: int) -> str:
    """Name a process in PostgreSQL's lists; the host's name is cut where it is too long, the rest isn't."""
    start, end = "sp00ky ", f" {pid}"
    room = LONGEST_NAME - len(start) - len(end)
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in host)
    return f"{start}{plain[:room]}{end}"


async def uncut(connecting: Coroutine[Any, Any, Any]) -> Any:
    """Connect to the end, also where the caller is cancelled meanwhile; then the connection is dropped.

    The driver, cut off between its socket and its first message, leaves an exception that is never retrieved.
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


class Workload(Enum):
    """A kind of call with connections of its own.

    Attributes:
        size: Connections at most; None: as many as the store's URL says.
        settings: Of their sessions.
        seconds: For one statement.
    """

    CLAIM = (2, INDEXED, 60.0)
    SETTLE = (1, INDEXED, 5.0)  # beyond that its rows are written one by one
    SLOW_SETTLE = (4, INDEXED, 60.0)
    BEAT = (1, ALWAYS, 5.0)  # a later one would be stale
    REST = (None, ALWAYS, 60.0)

    def __init__(self, size: int | None, settings: dict[str, str], seconds: float) -> None:
        self.size = size
        self.settings = settings
        self.seconds = seconds
