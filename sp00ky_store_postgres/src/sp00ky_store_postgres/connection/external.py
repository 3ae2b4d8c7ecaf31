"""Run statements in callers' transactions: on asyncpg, SQLAlchemy, psycopg, without importing any of them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import OptionInvalid, Sp00kyError, StoreError
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.errors import CONFLICTS, NO_WRITES, state_of, translated

Fetch = Callable[..., Awaitable[Sequence[Row]]]
"""A statement with ``$1``... and its arguments, to rows."""

EXPECTED = (
    "an asyncpg connection, a SQLAlchemy AsyncConnection or AsyncSession (on asyncpg or psycopg), "
    "or a psycopg AsyncConnection"
)

_PLACE = re.compile(r'("(?:[^"]|"")*")|\$(\d+)')
"""A parameter; or a quoted name, in which nothing is one."""


async def fetch_of(connection: object) -> Fetch:
    """Return what runs a statement on a caller's connection, within the transaction that it is in.

    Raises:
        OptionInvalid: it is of no kind that is known here, closed, or outside a transaction.
    """
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(connection).__mro__}
    if isinstance(connection, asyncpg.Connection) or "asyncpg.PoolConnectionProxy" in kinds:
        return _of_asyncpg(connection)
    if "sqlalchemy.AsyncSession" in kinds:
        return await _of_sqlalchemy(await connection.connection())  # type: ignore[attr-defined]  # a session's
    if "sqlalchemy.AsyncConnection" in kinds:
        return await _of_sqlalchemy(connection)
    if "psycopg.AsyncConnection" in kinds:
        return _of_psycopg(connection)
    raise _unknown(connection)


def caller_error(error: BaseException, store: str) -> Sp00kyError:
    """Return the project's error for what a caller's connection raised.

    Where the server is there and the transaction is lost, it is no ``StoreUnavailable``: the same call in the
    same transaction can't work later.
    """
    state = state_of(error)
    if state in CONFLICTS:
        hint = "; roll your transaction back and repeat it"
    elif state == NO_WRITES:
        hint = ": begin one that may write, on a server that takes writes"
    else:
        return translated(error, store)
    said = translated(error, store, hint=hint)
    return StoreError(store=store, problem=said.problem) if isinstance(said, StoreError) else said


def _unknown(connection: object) -> OptionInvalid:
    # Not its repr: a connection's may hold a DSN.
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    return OptionInvalid(option="connection", value=f"of type {kind}"[:80], expected=EXPECTED)


def _refuse(*, closed: bool, alone: bool) -> None:
    """Refuse before anything is written: a job that can't be rolled back is none of a transaction's."""
    if closed:
        raise OptionInvalid(option="connection", value="closed", expected="an open one")
    if alone:
        raise OptionInvalid(
            option="connection",
            value="outside a transaction (autocommit)",
            expected="one within a transaction; without `connection` the job is committed at once",
        )


def _of_asyncpg(connection: Any) -> Fetch:
    try:
        closed = connection.is_closed()
        alone = not closed and not connection.is_in_transaction()
    except asyncpg.InterfaceError:  # it was given back to its pool
        closed, alone = True, False
    _refuse(closed=closed, alone=alone)
    fetch: Fetch = connection.fetch
    return fetch


async def _of_sqlalchemy(connection: Any) -> Fetch:
    """Ask by SQLAlchemy's own call, which begins the transaction where none has begun yet."""
    driver = connection.dialect.driver
    if driver not in {"asyncpg", "psycopg", "psycopg_async"}:
        raise OptionInvalid(option="connection", value=f"on the driver {driver}"[:80], expected=EXPECTED)
    _refuse(closed=connection.closed, alone=False)
    raw = await connection.get_raw_connection()
    _refuse(closed=False, alone=raw.dbapi_connection.autocommit)

    async def fetch(statement: str, *arguments: object) -> Sequence[Row]:
        if driver == "asyncpg":
            result = await connection.exec_driver_sql(statement, arguments)
        else:
            result = await connection.exec_driver_sql(_named(statement), _by_name(arguments))
        rows: Sequence[Row] = result.fetchall()
        return rows

    return fetch


def _of_psycopg(connection: Any) -> Fetch:
    """Fetch by psycopg: without autocommit the first statement begins the transaction."""
    closed = connection.closed
    idle = not closed and connection.info.transaction_status.name == "IDLE"
    _refuse(closed=closed, alone=idle and connection.autocommit)

    async def fetch(statement: str, *arguments: object) -> Sequence[Row]:
        from psycopg import AsyncCursor  # noqa: PLC0415  # only such a caller has it installed
        from psycopg.rows import tuple_row  # noqa: PLC0415

        # Not connection.cursor(), whose kind is the caller's choice: a raw one knows no parameters by name.
        async with AsyncCursor(connection, row_factory=tuple_row) as cursor:
            await cursor.execute(_named(statement), _by_name(arguments))
            rows: Sequence[Row] = await cursor.fetchall()
            return rows

    return fetch


@lru_cache(maxsize=64)
def _named(statement: str) -> str:
    return _PLACE.sub(lambda found: found[1] or f"%(p{found[2]})s", statement.replace("%", "%%"))


def _by_name(arguments: Sequence[object]) -> dict[str, object]:
    return {f"p{number}": argument for number, argument in enumerate(arguments, 1)}
