"""Run a user's query that only reads, bounded in time, rows and bytes; its rows are JSON objects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import QueryRefused
from sp00ky_core.ports import MAX_ROWS, QUERY_SECONDS
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.errors import CONFLICTS, said, state_of
from sp00ky_store_postgres.part import StorePart
from sp00ky_store_postgres.sql.loader import fill, read_sql

LONGEST_ROW = 2**20
"""Bytes of a row as JSON: a payload is no longer, where nothing else is configured."""
MOST_BYTES = 64 * 2**20
"""Of all rows."""
BEYOND_SERVER = 1.0
"""Seconds that the client waits longer than the server lets each statement take."""

TOO_LONG = f"it takes longer than {QUERY_SECONDS:.0f} seconds"

NOT_ITS_FAULT = ("08", "57P", *CONFLICTS)
"""States of a server that is away, ending, or at odds with another transaction."""


class RowQueries(StorePart):
    """Runs queries."""

    async def query_rows(self, query: str, *, limit: int = MAX_ROWS + 1) -> list[Mapping[str, Any]]:
        """See ``Schedules.query_rows``."""

        async def work(connection: Any) -> list[Mapping[str, Any]]:
            # Where anything fails, the connection is given up, and with it all that the query has set on it.
            transaction = connection.transaction(isolation="read_committed", readonly=True)
            await transaction.start()
            try:
                async with asyncio.timeout(QUERY_SECONDS + BEYOND_SERVER):
                    rows = await _read(connection, query, limit)
            except TimeoutError as error:
                raise self._refusal(TOO_LONG) from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
                if connection.is_closed() or state_of(error).startswith(NOT_ITS_FAULT):
                    raise
                timed_out = isinstance(error, asyncpg.QueryCanceledError) and "timeout" in str(error)
                raise self._refusal(TOO_LONG if timed_out else said(error)) from error
            await connection.execute("SELECT pg_advisory_unlock_all()")  # a rollback would keep these
            await transaction.rollback()
            return rows

        return await self._executor.run(Workload.REST, work)

    def _refusal(self, problem: str) -> QueryRefused:
        return QueryRefused(store=self._executor.location, problem=f"the query is refused: {problem}")


async def _read(connection: Any, query: str, limit: int) -> list[Mapping[str, Any]]:
    """Fetch rows by a cursor.

    Raises:
        ValueError: A row is too long, or all of them are, or one holds what isn't JSON.
    """
    await connection.execute(f"SET LOCAL statement_timeout = '{QUERY_SECONDS * 1_000:.0f}ms'")
    await connection.fetch(fill(read_sql("schedule_query"), query=query, longest=str(LONGEST_ROW)))
    fetch, rows, size = read_sql("schedule_query_fetch"), list[Mapping[str, Any]](), 0
    while len(rows) < limit and (found := await connection.fetch(fetch)):
        for row in found[: limit - len(rows)]:
            size += row["bytes"]
            if row["json"] is None:
                raise ValueError(f"a row of it takes {row['bytes']:,} bytes as JSON, {LONGEST_ROW:,} at most")
            if size > MOST_BYTES:
                raise ValueError(f"its rows take more than {MOST_BYTES:,} bytes as JSON")
            rows.append(decode(row["json"]))
    return rows
