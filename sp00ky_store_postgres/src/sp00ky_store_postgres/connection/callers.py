"""Run statements in callers' transactions: on asyncpg, SQLAlchemy, psycopg, without importing any of them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import OptionInvalid, SchemaError, Sp00kyError, StoreError
from sp00ky_store_kit.caller_connections import (
    django_of,
    kinds_of,
    refuse_asynchronous,
    refuse_synchronous,
    refuse_unfit,
    sqlalchemy_of,
    unknown_kind,
)
from sp00ky_store_postgres.errors import ABORTED, CONFLICTS, NO_WRITES, state_of, translated

Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""Runs a statement with ``$1``... and its arguments, and returns rows."""

EXPECTED = (
    "an asyncpg connection, a SQLAlchemy AsyncConnection or AsyncSession (on asyncpg or psycopg), "
    "or a psycopg AsyncConnection"
)

ASYNCHRONOUS_DRIVERS, BLOCKING_DRIVERS = ("asyncpg", "psycopg", "psycopg_async"), ("psycopg", "psycopg2")

_PLACE = re.compile(r'("(?:[^"]|"")*")|\$(\d+)')
"""Matches a parameter, or a quoted name, in which nothing is a parameter."""


async def fetch_of(connection: Any, *, reads: bool = False) -> Fetch:
    """Return what runs a statement on a caller's connection, within the transaction that it is in.

    Args:
        connection: The caller's.
        reads: Nothing is written, so that it may be outside a transaction.

    Raises:
        OptionInvalid: it is of no kind that is known here, closed, or outside a transaction.
    """
    kinds = kinds_of(connection)
    if isinstance(connection, asyncpg.Connection) or "asyncpg.PoolConnectionProxy" in kinds:
        return _of_asyncpg(connection, reads=reads)
    if "sqlalchemy.AsyncSession" in kinds:
        connection = await connection.connection()
        kinds = kinds_of(connection)
    if "sqlalchemy.AsyncConnection" in kinds:
        raw = None if connection.closed else await connection.get_raw_connection()
        return _of_sqlalchemy(connection, raw, reads=reads)
    if "psycopg.AsyncConnection" in kinds:
        return _of_psycopg(connection, reads=reads)
    refuse_synchronous(connection)
    raise unknown_kind(connection, EXPECTED)


@contextmanager
def callers_errors(store: str) -> Iterator[None]:
    """Translate what a caller's connection raises.

    Where the server is there and the transaction is lost, it is no ``StoreUnavailable``: the same call in the
    same transaction can't work later. A missing table may mean that it is to another database.
    """
    try:
        yield
    except Sp00kyError:
        raise
    except Exception as error:
        state, hint = state_of(error), ""
        if state in CONFLICTS or state == ABORTED:
            hint = "; roll your transaction back and repeat it"
        elif state == NO_WRITES:
            hint = ": begin one that may write, on a server that takes writes"
        said = translated(error, store, hint=hint)
        if hint and isinstance(said, StoreError):
            said = StoreError(store=store, problem=said.problem)
        elif isinstance(said, SchemaError):
            problem = f"{said.problem}, if your connection is to the database of {store}"
            said = SchemaError(store=store, problem=problem)
        raise said from error


def _of_asyncpg(connection: Any, *, reads: bool) -> Fetch:
    try:
        closed = connection.is_closed()
        alone = not closed and not connection.is_in_transaction()
    except asyncpg.InterfaceError:  # it was given back to its pool
        closed, alone = True, False
    refuse_unfit(closed=closed, alone=alone and not reads)
    fetch: Fetch = connection.fetch
    return fetch


def _of_sqlalchemy(connection: Any, raw: Any, *, reads: bool, blocking: bool = False) -> Fetch:
    """Fetch by SQLAlchemy's own call, which begins the transaction where none has begun yet."""
    driver, closed = connection.dialect.driver, connection.closed
    if driver not in (BLOCKING_DRIVERS if blocking else ASYNCHRONOUS_DRIVERS):
        expected = BLOCKING_EXPECTED if blocking else EXPECTED
        raise OptionInvalid(option="connection", value=f"on the driver {driver}"[:80], expected=expected)
    alone = not (closed or reads) and raw.dbapi_connection.autocommit
    refuse_unfit(closed=closed, alone=alone, blocking=blocking)

    async def fetch(statement: str, *arguments: object) -> Sequence[Any]:
        sent = (statement, arguments) if driver == "asyncpg" else by_name(statement, arguments)
        result = connection.exec_driver_sql(*sent)
        rows: Sequence[Any] = (result if blocking else await result).fetchall()
        return rows

    return fetch


def _of_psycopg(connection: Any, *, reads: bool) -> Fetch:
    """Fetch by psycopg: without autocommit the first statement begins the transaction."""
    closed = connection.closed
    idle = not closed and connection.info.transaction_status.name == "IDLE"
    refuse_unfit(closed=closed, alone=idle and connection.autocommit and not reads)

    async def fetch(statement: str, *arguments: object) -> Sequence[Any]:
        from psycopg import AsyncCursor  # noqa: PLC0415  # only such a caller has it installed
        from psycopg.rows import tuple_row  # noqa: PLC0415

        # Not connection.cursor(), whose kind is the caller's choice: a raw one knows no parameters by name.
        async with AsyncCursor(connection, row_factory=tuple_row) as cursor:
            await cursor.execute(*by_name(statement, arguments))
            rows: Sequence[Any] = await cursor.fetchall()
            return rows

    return fetch


def by_name(statement: str, arguments: Sequence[object]) -> tuple[str, dict[str, object]]:
    """Return a statement with ``%(p1)s`` instead of ``$1``, and so on, and its parameters."""
    return _named(statement), {f"p{number}": argument for number, argument in enumerate(arguments, 1)}


@lru_cache(maxsize=64)
def _named(statement: str) -> str:
    return _PLACE.sub(lambda match: match[1] or f"%(p{match[2]})s", statement.replace("%", "%%"))


BLOCKING_EXPECTED = (
    "a psycopg connection or cursor, a SQLAlchemy Session or Connection (on psycopg or psycopg2), "
    "or Django's connections[...]"
)


async def blocking_fetch_of(connection: Any, *, reads: bool = False) -> Fetch:
    """Return the same of a blocking connection, as it is called in asynchronous code; neither ever suspends.

    Args:
        connection: The caller's.
        reads: Nothing is written, so that it may be outside a transaction.

    Raises:
        OptionInvalid: it is of no kind that is known here, closed, or outside a transaction.
    """
    kinds = kinds_of(connection)
    if "psycopg.Cursor" in kinds:
        return _of_blocking_psycopg(connection.connection, reads=reads)
    if "psycopg.Connection" in kinds:
        return _of_blocking_psycopg(connection, reads=reads)
    if (known := sqlalchemy_of(connection)) is not None:
        return _of_sqlalchemy(known, known.connection, reads=reads, blocking=True)
    if (wrapped := django_of(connection, reads=reads)) is not None:
        return _of_django(connection, wrapped)
    refuse_asynchronous(connection)
    raise unknown_kind(connection, BLOCKING_EXPECTED)


def _of_blocking_psycopg(connection: Any, *, reads: bool) -> Fetch:
    from psycopg import RawCursor  # noqa: PLC0415  # only such a caller has it installed
    from psycopg.rows import tuple_row  # noqa: PLC0415

    closed = connection.closed
    alone = not reads and not closed and connection.autocommit and not _is_in_transaction(connection)
    refuse_unfit(closed=closed, alone=alone, blocking=True)

    async def fetch(statement: str, *arguments: object) -> Sequence[Any]:
        # Not connection.cursor(), whose kind and whose rows are the caller's choice.
        return RawCursor(connection, row_factory=tuple_row).execute(statement, arguments).fetchall()

    return fetch


def _is_in_transaction(connection: Any) -> bool:
    """Tell whether a transaction is open; in a pipeline only once what was sent has been answered."""
    if connection.pgconn.pipeline_status:
        with connection.pipeline() as pipeline:
            pipeline.sync()
    return bool(connection.info.transaction_status.name != "IDLE")


def _of_django(connection: Any, raw: Any) -> Fetch:
    """Run by the driver; by Django's cursor, which takes longer, where Django logs or counts statements."""
    is_plain = not connection.queries_logged and not connection.execute_wrappers
    if is_plain and connection.timezone is not None and "psycopg.Connection" in kinds_of(raw):
        return _of_blocking_psycopg(raw, reads=True)

    async def fetch(statement: str, *arguments: object) -> Sequence[Any]:
        with connection.cursor() as cursor:
            # It may have found the connection dead, and made another one, outside the transaction.
            refuse_unfit(closed=connection.connection is not raw, alone=False)
            cursor.execute(*by_name(statement, arguments))
            rows: Sequence[Any] = cursor.fetchall()
        return rows if connection.timezone is not None else _aware(rows, connection.timezone_name)

    return fetch


def _aware(rows: Sequence[Any], zone: str) -> Sequence[Any]:
    """Give instants their zone, which Django leaves out where ``USE_TZ`` is False."""
    info = ZoneInfo(zone)

    def aware(value: Any) -> Any:
        return value.replace(tzinfo=info) if isinstance(value, datetime) and value.tzinfo is None else value

    return [tuple(map(aware, row)) for row in rows]
