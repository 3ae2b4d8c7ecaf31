"""Run statements in the transactions of callers' blocking connections: psycopg, SQLAlchemy, Django."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sp00ky_core.stores import (
    django_of,
    kinds_of,
    refuse_asynchronous,
    refuse_unfit,
    sqlalchemy_of,
    unknown_kind,
)
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.connection.external import Fetch, named, parameters_by_name

EXPECTED = (
    "a psycopg connection or cursor, a SQLAlchemy Session or Connection (on psycopg or psycopg2), "
    "or Django's connections[...]"
)

Run = Callable[[str, Sequence[object]], Sequence[Row]]
"""A statement with ``$1``... and its arguments, to rows."""


async def blocking_fetch(run: Run) -> Fetch:
    """Return the same as it is called in asynchronous code; it never suspends."""

    async def fetch(statement: str, *arguments: object) -> Sequence[Row]:
        return run(statement, arguments)

    return fetch


def run_of(connection: Any, *, reads: bool = False) -> Run:
    """Return what runs a statement on a caller's blocking connection.

    Args:
        connection: The caller's.
        reads: Nothing is written, so that it may be outside a transaction.

    Raises:
        OptionInvalid: it is of no kind that is known here, closed, or outside a transaction.
    """
    kinds = kinds_of(connection)
    if "psycopg.Cursor" in kinds:
        return _of_psycopg(connection.connection, reads=reads)
    if "psycopg.Connection" in kinds:
        return _of_psycopg(connection, reads=reads)
    if (known := sqlalchemy_of(connection)) is not None:
        return _of_sqlalchemy(known, reads=reads)
    if (raw := django_of(connection, reads=reads)) is not None:
        return _of_django(connection, raw)
    refuse_asynchronous(connection)
    raise unknown_kind(connection, EXPECTED)


def _of_psycopg(connection: Any, *, reads: bool) -> Run:
    from psycopg import RawCursor  # noqa: PLC0415  # only such a caller has it installed
    from psycopg.rows import tuple_row  # noqa: PLC0415

    closed = connection.closed
    alone = not reads and not closed and connection.autocommit and not _is_in_transaction(connection)
    refuse_unfit(closed=closed, alone=alone, blocking=True)

    def run(statement: str, arguments: Sequence[object]) -> Sequence[Row]:
        # Not connection.cursor(), whose kind and whose rows are the caller's choice.
        return RawCursor(connection, row_factory=tuple_row).execute(statement, arguments).fetchall()

    return run


def _is_in_transaction(connection: Any) -> bool:
    """Tell whether a transaction is open; in a pipeline only once what was sent has been answered."""
    if connection.pgconn.pipeline_status:
        with connection.pipeline() as pipeline:
            pipeline.sync()
    return bool(connection.info.transaction_status.name != "IDLE")


def _of_sqlalchemy(connection: Any, *, reads: bool) -> Run:
    """Run by SQLAlchemy's own call, which begins the transaction where none has begun yet."""
    if connection.dialect.driver not in {"psycopg", "psycopg2"}:
        raise unknown_kind(connection, EXPECTED)
    alone = not reads and connection.connection.dbapi_connection.autocommit
    refuse_unfit(closed=False, alone=alone, blocking=True)

    def run(statement: str, arguments: Sequence[object]) -> Sequence[Row]:
        result = connection.exec_driver_sql(named(statement), parameters_by_name(arguments))
        rows: Sequence[Row] = result.fetchall()
        return rows

    return run


def _of_django(connection: Any, raw: Any) -> Run:
    """Run by the driver; by Django's cursor, which takes longer, where Django logs or counts statements."""
    is_plain = not connection.queries_logged and not connection.execute_wrappers
    if is_plain and connection.timezone is not None and "psycopg.Connection" in kinds_of(raw):
        return _of_psycopg(raw, reads=True)

    def run(statement: str, arguments: Sequence[object]) -> Sequence[Row]:
        with connection.cursor() as cursor:
            # It may have found the connection dead, and made another one, outside the transaction.
            refuse_unfit(closed=connection.connection is not raw, alone=False)
            cursor.execute(named(statement), parameters_by_name(arguments))
            rows: Sequence[Row] = cursor.fetchall()
        return rows if connection.timezone is not None else _aware(rows, connection.timezone_name)

    return run


def _aware(rows: Sequence[Row], zone: str) -> Sequence[Row]:
    """Give instants their zone, which Django leaves out where ``USE_TZ`` is False."""
    info = ZoneInfo(zone)

    def aware(value: Any) -> Any:
        return value.replace(tzinfo=info) if isinstance(value, datetime) and value.tzinfo is None else value

    return [tuple(map(aware, row)) for row in rows]
