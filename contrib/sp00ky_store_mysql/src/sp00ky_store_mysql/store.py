"""Connect to MySQL or MariaDB, end what was cancelled; all else is ``TransactionalStore``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import ClassVar, TypeVar

from asyncmy.connection import Connection
from asyncmy.constants import CLIENT

from sp00ky_core.ports import StoreCapabilities, StoreOptions
from sp00ky_core.stores.transactional import Access, AsyncLane, Session, TransactionalStore, Work
from sp00ky_store_mysql.callers import callers_session
from sp00ky_store_mysql.errors import CONFLICTS, code_of, translated
from sp00ky_store_mysql.session import MysqlSession, collation_of
from sp00ky_store_mysql.url import address_of

__all__ = ["MysqlStore"]

T = TypeVar("T")

PATIENCE = 5
"""Seconds that a transaction waits for another one's lock."""

POLL = 0.5
"""Seconds between two looks for what other processes have written; one reads a few rows by their indexes."""

SETTINGS = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE', "
    f"innodb_lock_wait_timeout = {PATIENCE}, lock_wait_timeout = {PATIENCE}"
)

BEGIN_READ = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class MysqlStore(TransactionalStore):
    """Jobs in MySQL 8 or MariaDB 10.11, or newer ones, for any number of processes."""

    cancels = True
    capabilities: ClassVar[StoreCapabilities] = StoreCapabilities(
        transactions=True,
        synchronous=True,
        shared=True,
        signals_across_processes=True,
        ordering=True,
        limits=True,
        schedules=True,
        rollups=True,
    )

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self._address = address_of(options.url)
        reader = partial(self._connect, "REPEATABLE READ")
        lane = partial(AsyncLane, conflicts=lambda error: code_of(error) in CONFLICTS)
        self._lanes = {
            Access.READ: lane(reader, BEGIN_READ, size=2),
            Access.QUERY: lane(reader, BEGIN_READ),
            Access.WRITE: lane(self._connect, "START TRANSACTION", size=4),
            Access.BEAT: lane(self._connect, "START TRANSACTION"),
        }

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._address.location

    async def run(self, work: Work[T], access: Access) -> T:
        """See ``TransactionalStore.run``: each kind of work has its own connections."""
        return await self._lanes[access].run(work)

    async def disconnect(self) -> None:
        """See ``TransactionalStore.disconnect``."""
        for lane in self._lanes.values():
            await lane.close()

    def adopt(self, connection: object, access: Access) -> Session | None:
        """See ``TransactionalStore.adopt``: of SQLAlchemy, Django, PyMySQL, asyncmy, or aiomysql."""
        return callers_session(connection, self.translate, reads=access is Access.READ)

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``."""
        return translated(error, self.location)

    async def changes(self) -> AsyncGenerator[None, None]:
        """See ``TransactionalStore.changes``: nothing notifies, so it is looked again and again."""
        while True:
            yield
            await asyncio.sleep(POLL)

    async def _connect(self, isolation: str = "READ COMMITTED") -> MysqlSession:
        options = {"autocommit": True, "charset": "utf8mb4", "client_flag": CLIENT.FOUND_ROWS}
        connection = Connection(**self._address.driver, **options)  # type: ignore[no-untyped-call]
        try:
            await _reached(connection)
            session = MysqlSession(connection, self.translate)
            session.collation = collation_of(connection.get_server_info(), self.location)
            session.end = self._end
            await session.execute(SETTINGS)
            await session.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")
        except BaseException:
            connection.close()
            raise
        return session

    async def _end(self, thread: int) -> None:
        """End what the server still does for a connection that was cut off."""
        async with asyncio.timeout(1):
            session = await self._connect()
            try:
                await session.execute(f"KILL {thread}")
            finally:
                session.connection.close()


async def _reached(connection: Connection) -> None:
    """Connect; on uvloop one that the server closes at once has no socket, of which the driver complains."""
    try:
        await connection.connect()
    except RuntimeError as error:
        raise ConnectionError(f"closed while it was made: {error}") from error
