"""Do work in transactions: begin, write, notify, commit; know what became of one whose reply was lost."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.stores.transactional import Access, Work
from sp00ky_store_postgres.connection.session import TOO_LONG, PostgresSession
from sp00ky_store_postgres.errors import CONFLICTS, said, state_of
from sp00ky_store_postgres.schema.tables import Tables

T = TypeVar("T")

IDLE_SECONDS = 5
"""After which the server gives up the transaction of a process that is frozen or cut off: it has locks."""

BEGIN = "SET LOCAL idle_in_transaction_session_timeout = '{}s'; SET CONSTRAINTS ALL IMMEDIATE"
"""A deferred constraint would refuse all rows, at the end."""

QUIET = "; SET LOCAL sp00ky.notify = 'off'"
"""The inserts of this transaction wake no runner."""

COMMITTED = "SELECT coalesce(pg_xact_status($1::text::xid8) = 'committed', false)"
"""Whether a transaction was committed whose reply was lost. (No longer known: it is very old.)"""

NOT_ITS_FAULT = ("08", "57P", *CONFLICTS)
"""States of a server that is away, ending, or at odds with another transaction: no fault of a query's."""


class Transaction(Generic[T]):
    """Work that is done in one transaction, once, however often a connection is lost meanwhile.

    Args:
        work: The work.
        access: What it does.
        tables: The store's.
        location: Of the store.
        quiet: Whether its inserts wake no runner.

    Attributes:
        written: The tables that it has written to, as notifications name them.
    """

    def __init__(
        self,
        work: Work[T],
        access: Access,
        tables: Tables,
        location: str,
        *,
        quiet: bool = False,
    ) -> None:
        self._work = work
        self._access = access
        self._tables = tables
        self._location = location
        self._begin = BEGIN.format(IDLE_SECONDS) + QUIET * quiet
        self.written: set[str] = set()
        self._number: str | None = None
        self._result: list[T] = []

    async def attempt(self, connection: Any) -> T:
        """Do it, unless an earlier attempt got through."""
        if self._number is not None and await connection.fetchval(COMMITTED, self._number):
            return self._result[0]
        session = PostgresSession(self._tables, self._location, connection.fetch, connection.executemany)
        if self._access is Access.QUERY:
            return await self._query(connection, session)
        reads = self._access is Access.READ
        isolation = "repeatable_read" if reads else "read_committed"
        async with connection.transaction(isolation=isolation, readonly=reads):
            if not reads:
                await connection.execute(self._begin)
            self._result = [await self._work(session)]
            if session.written:
                self._number = await connection.fetchval("SELECT pg_current_xact_id()::text")
        self.written = session.written
        return self._result[0]

    async def _query(self, connection: Any, session: PostgresSession) -> T:
        """Run a user's query, and undo what it has set.

        Where anything fails, the connection is given up, and with it all that the query has set on it.
        """
        transaction = connection.transaction(isolation="read_committed", readonly=True)
        await transaction.start()
        try:
            result = await self._work(session)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if connection.is_closed() or state_of(error).startswith(NOT_ITS_FAULT):
                raise
            timed_out = isinstance(error, asyncpg.QueryCanceledError) and "timeout" in str(error)
            raise ValueError(TOO_LONG if timed_out else said(error)) from None  # whatever its state says
        await connection.execute("SELECT pg_advisory_unlock_all()")  # a rollback would keep these
        await transaction.rollback()
        return result
