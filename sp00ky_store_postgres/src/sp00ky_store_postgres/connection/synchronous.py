"""Run statements in the transactions of callers' blocking connections: psycopg, SQLAlchemy, Django."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

Run = Callable[[str, Mapping[str, object]], Sequence[Row]]
"""A statement with ``%(p1)s``... and its parameters, to rows."""


async def blocking_fetch_of(connection: object, *, reads: bool = False) -> Fetch:
    """Return what runs a statement on a caller's blocking connection; neither it nor that ever suspends.

    Args:
        connection: The caller's.
        reads: Nothing is written, so that it may be outside a transaction.

    Raises:
        OptionInvalid: it is of no kind that is known here, closed, or outside a transaction.
    """
    run = _run_of(connection, reads=reads)

    async def fetch(statement: str, *arguments: object) -> Sequence[Row]:
        return run(named(statement), parameters_by_name(arguments))

    return fetch


def _run_of(connection: Any, *, reads: bool) -> Run:
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
    from psycopg import Cursor  # noqa: PLC0415  # only such a caller has it installed
    from psycopg.rows import tuple_row  # noqa: PLC0415

    closed = connection.closed
    alone = not reads and not closed and connection.autocommit and not _is_in_transaction(connection)
    refuse_unfit(closed=closed, alone=alone)

    def run(statement: str, parameters: Mapping[str, object]) -> Sequence[Row]:
        # Not connection.cursor(), whose kind is the caller's choice: a raw one knows no parameters by name.
        with Cursor(connection, row_factory=tuple_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

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
    refuse_unfit(closed=False, alone=not reads and connection.connection.dbapi_connection.autocommit)

    def run(statement: str, parameters: Mapping[str, object]) -> Sequence[Row]:
        rows: Sequence[Row] = connection.exec_driver_sql(statement, parameters).fetchall()
        return rows

    return run


def _of_django(connection: Any, raw: Any) -> Run:
    """Run by Django's cursor, so that its log, and what counts queries, has the statement."""

    def run(statement: str, parameters: Mapping[str, object]) -> Sequence[Row]:
        with connection.cursor() as cursor:
            # It may have found the connection dead, and made another one, outside the transaction.
            refuse_unfit(closed=connection.connection is not raw, alone=False)
            cursor.execute(statement, parameters)
            rows: Sequence[Row] = cursor.fetchall()
        return rows if connection.timezone is not None else _aware(rows, connection.timezone_name)

    return run


def _aware(rows: Sequence[Row], zone: str) -> Sequence[Row]:
    """Give instants their zone, which Django leaves out where ``USE_TZ`` is False."""
    info = ZoneInfo(zone)

    def aware(value: Any) -> Any:
        return value.replace(tzinfo=info) if isinstance(value, datetime) and value.tzinfo is None else value

    return [tuple(map(aware, row)) for row in rows]
