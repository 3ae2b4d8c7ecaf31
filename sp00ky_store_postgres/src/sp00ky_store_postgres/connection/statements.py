"""Run statements and transactions on the pool of their workload; repeat what a lost connection cut off."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from operator import methodcaller
from typing import Any, Generic, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from sp00ky_core.errors import Sp00kyError, StoreClosed, StoreUnavailable
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_kit import Access, Session, Work
from sp00ky_store_kit.connection.lanes import Executor as TransactionalExecutor
from sp00ky_store_postgres.connection.callers import callers_errors
from sp00ky_store_postgres.connection.connect import Workload, session_for
from sp00ky_store_postgres.connection.pool import Pool
from sp00ky_store_postgres.errors import SlowStatement, fault_of_query, is_lost, is_transient, translated
from sp00ky_store_postgres.kit_session import PostgresSession
from sp00ky_store_postgres.schema.definition import Tables
from sp00ky_store_postgres.sql.loader import read_sql
from sp00ky_store_postgres.url import PostgresOptions

logger: logging.Logger = logging.getLogger(__name__)

Row = Any  # an asyncpg.Record; of a caller's connection, a tuple

T = TypeVar("T")

SAID = (asyncpg.PostgresError, Sp00kyError)
"""Errors that a statement raises which has come to its end."""

NOTIFY = "SELECT pg_notify('sp00ky', $1)"

LONGEST_PAUSE = 1.0
"""Seconds between two tries."""
PATIENCE = 5.0
"""Seconds of trying until the database is reported as unavailable; from a connection's loss on."""

IDLE_SECONDS = 5
"""Seconds after which the server gives up the transaction of a process that is frozen or cut off: it has
locks."""

BEGIN = "SET LOCAL idle_in_transaction_session_timeout = '{}s'; SET CONSTRAINTS ALL IMMEDIATE"
"""Has constraints checked at once: a deferred one would refuse all rows, at the end."""

QUIET = "; SET LOCAL sp00ky.notify = 'off'"
"""Says to the triggers that the inserts of this transaction are to wake no runner."""

COMMITTED = "SELECT coalesce(pg_xact_status($1::text::xid8) = 'committed', false)"
"""Asks whether a transaction was committed whose reply was lost. (A very old one is no longer known.)"""


@attrs.define
class Transaction(Generic[T]):
    """Work that is done in one transaction, once, however often a connection is lost meanwhile.

    Attributes:
        work: The work.
        access: What it does.
        session: Makes a session of a connection.
        begin: The statement that a transaction which writes begins with.
        written: The tables that it has written to, as notifications name them.
    """

    work: Work[T]
    access: Access
    session: Callable[[Any], PostgresSession]
    begin: str
    written: set[str] = attrs.field(factory=set)
    _number: str | None = None
    _result: list[T] = attrs.field(factory=list)

    async def attempt(self, connection: Any) -> T:
        """Do the work, unless an earlier attempt got through."""
        if self._number is not None and await connection.fetchval(COMMITTED, self._number):
            return self._result[0]
        session = self.session(connection)
        if self.access is Access.QUERY:
            return await self._query(connection, session)
        reads = self.access is Access.READ
        isolation = "repeatable_read" if reads else "read_committed"
        async with connection.transaction(isolation=isolation, readonly=reads):
            if not reads:
                await connection.execute(self.begin)
            self._result = [await self.work(session)]
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
            result = await self.work(session)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if connection.is_closed() or not (fault := fault_of_query(error)):
                raise
            raise ValueError(fault) from None
        await connection.execute("SELECT pg_advisory_unlock_all()")  # a rollback would keep these
        await transaction.rollback()
        return result


class Executor(TransactionalExecutor):
    """Runs statements on pools, one for each workload; connections are made when they are needed.

    A caller that is cancelled ends its statement on the server, and what wasn't committed is undone.
    """

    is_open: bool

    def __init__(self, options: PostgresOptions, tables: Tables) -> None:
        super().__init__(self.do, lambda error: translated(error, options.location), lambda: options.location)
        self.options: PostgresOptions = options
        self.location: str = options.location
        self.tables = tables
        self._pools: dict[Workload, Pool] = {}
        self._doubted: list[Any] = []  # what was connected when a beat failed

    async def do(self, work: Work[T], access: Access, *, claims: bool = False) -> T:
        """See ``transactional.Executor.do``; a claim is no news to others' claims."""
        quiet = self.options.pooled and not self.options.notify  # else the connection's own setting
        begin = BEGIN.format(IDLE_SECONDS) + QUIET * quiet
        transaction = Transaction(work, access, self._session, begin)
        workload = Workload.BEAT if access is Access.BEAT else Workload.REST
        result = await self.run(Workload.CLAIM if claims else workload, transaction.attempt)
        if not claims:
            await self.announce(transaction.written & self.tables.heard)
        return result

    def _session(self, connection: Any) -> PostgresSession:
        return PostgresSession(self.tables, connection.fetch, connection.executemany)

    async def announce(self, names: Iterable[str]) -> None:
        """Tell other processes that claims may find something else than before in these tables.

        What has been written stays where they can't be told.
        """
        try:
            for name in names if self.options.notify else ():
                await self.fetch(Workload.REST, NOTIFY, name)
        except Sp00kyError as error:
            logger.warning("other runners find new work by polling, for they can't be notified: %s", error)

    async def look(self, work: Callable[[PostgresSession], Awaitable[T]]) -> T:
        """Do work that reads, each of its statements on its own: nothing is said of their order."""
        return await self.run(Workload.REST, lambda connection: work(self._session(connection)))

    async def within(self, session: Session, work: Work[T]) -> T:
        """See ``transactional.Executor.within``."""
        with callers_errors(self.location):
            return await work(session)

    async def connect(self) -> None:
        """Connect once. Raises ``StoreUnavailable``, or what else the server says."""
        if self._pools:
            return
        options = self.options
        pools = {
            workload: Pool(workload.size or options.connections, partial(session_for, workload, options))
            for workload in Workload
        }
        try:
            first = await pools[Workload.REST].acquire()
        except Exception as error:
            raise translated(error, self.location) from error
        pools[Workload.REST].release(first, sound=True)
        self._pools, self.is_open = pools, True

    async def close(self) -> None:
        """Let calls that are under way end, for a while, and let go of everything."""
        pools, self._pools, self.is_open = list(self._pools.values()), {}, False
        for pool in pools:
            await pool.close()

    def check_open(self) -> None:
        """Raise ``StoreClosed`` where the store isn't open."""
        if not self._pools:
            raise StoreClosed(store=self.location)

    def fetch(self, workload: Workload, statement: str, *arguments: object) -> Coroutine[Any, Any, list[Row]]:
        """Run a statement in a transaction of its own; return its rows."""
        return self.run(workload, lambda connection: connection.fetch(statement, *arguments))

    async def ask(self, name: str, *values: object, table: JobTable | None = None, **parts: str) -> list[Any]:
        """Run a statement of ``sql/``, filled in, where neither claims nor settles nor beats wait for it."""
        return await self.fetch(Workload.REST, self.tables.statement(name, table, **parts), *values)

    async def beat(self, statement: str, *arguments: object) -> list[Row]:
        """Write a heartbeat, and end older connections that have fallen silent.

        Where one has failed and a later one gets through, the older connections are ended, unless they are
        at work on the server: whatever waits for them would do so until it times out. (Behind a pooler all
        of them are ended: it hides their sessions. What was cut off is done again.)
        """
        try:
            rows = await self.fetch(Workload.BEAT, statement, *arguments)
        except StoreUnavailable:
            self._doubted = [connection for pool in self._pools.values() for connection in pool.connections()]
            raise
        if self._doubted:
            await self._end_silent()
        return rows

    async def _end_silent(self) -> None:
        doubted = [(link.get_server_pid(), link) for link in self._doubted if not link.is_closed()]
        try:
            work = methodcaller("fetch", read_sql("at_work"), [pid for pid, _ in doubted])
            at_work = {row[0] for row in await self.run(Workload.BEAT, work, patience=0)}
        except Exception as error:  # noqa: BLE001  # the next beat finds out
            logger.debug("it can't be seen which connections are at work: %s", error)
            return
        self._doubted = []
        for pid, link in doubted:  # behind a pooler several may have the same
            if pid not in at_work:
                link.terminate()

    async def run(
        self, workload: Workload, work: Callable[[Any], Awaitable[T]], *, patience: float | None = None
    ) -> T:
        """Do some work on a connection; it is repeated where the connection was lost.

        A repetition may find that the first time had got through: ``work`` must allow for it.

        Raises:
            StoreUnavailable: the database didn't come back within a few seconds.
            StoreClosed: the store isn't open.
            Sp00kyError: what else it said.
        """
        retrying = _Retrying(patience)
        while True:
            self.check_open()
            pool = self._pools[workload]
            try:
                connection = await pool.acquire()
                try:
                    result = await work(connection)
                except BaseException as error:
                    # One whose statement was cut off may still be at it; one that said no is as good as ever,
                    # unless its server isn't: the name that it was reached by may stand for another by now.
                    pool.release(connection, sound=isinstance(error, SAID) and not is_lost(error))
                    if isinstance(error, TimeoutError):
                        raise SlowStatement from error
                    raise
                pool.release(connection, sound=True)
            except Sp00kyError:
                raise
            except Exception as error:
                pause = retrying.pause_after(error)
                if pause is None or not self._pools:
                    raise translated(error, self.location) from error
            else:
                return result
            await asyncio.sleep(pause)


class _Retrying:
    """Decides whether, and when, what a connection was lost over is tried again."""

    def __init__(self, patience: float | None) -> None:
        self._patience = patience
        self._backoff = Backoff(limit=LONGEST_PAUSE)
        self._cancellations = _cancellations()
        self._failed = False
        self._give_up_at = self._later()

    def _later(self) -> float:
        return time.monotonic() + (PATIENCE if self._patience is None else self._patience)

    def pause_after(self, error: Exception) -> float | None:
        """Return the seconds until the next try; None: there is none."""
        if _cancellations() > self._cancellations:  # a rollback has failed on a lost connection
            raise asyncio.CancelledError from error
        if not self._failed and is_lost(error):
            self._give_up_at = self._later()  # no call tried meanwhile: it waited in silence
        self._failed = True
        pause = self._backoff.next()
        late = time.monotonic() + pause > self._give_up_at
        return None if late or not is_transient(error) else pause


def _cancellations() -> int:
    """Count how often the current task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
