"""Connect to MySQL or MariaDB, end what was cancelled; all else is ``TransactionalStore``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar

import attrs
from asyncmy.connection import Connection
from asyncmy.constants import CLIENT

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import ROLES, Finding, StoreCapabilities, StoreOptions, Use
from sp00ky_store_kit import Access, AsyncLane, InLanes, Session, TransactionalStore
from sp00ky_store_mysql.callers import callers_session
from sp00ky_store_mysql.errors import is_conflict, is_read_only, translated
from sp00ky_store_mysql.privileges import ROWS, lacking, quoted
from sp00ky_store_mysql.session import PATIENCE, SILENCE, MysqlSession, collation_of
from sp00ky_store_mysql.url import address_of

__all__ = ["MysqlStore"]

SETTINGS = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE', "
    f"innodb_lock_wait_timeout = {PATIENCE}, lock_wait_timeout = {PATIENCE}"
    f"/*M! , idle_transaction_timeout = {PATIENCE} */"
)
"""Has MariaDB end a transaction whose client is frozen or cut off, which may have locks; MySQL can't."""

OWN_THREAD = "SELECT id, host FROM information_schema.processlist WHERE id = connection_id()"

BEGIN_READ = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

OPERATED: Mapping[str, Sequence[str]] = {
    "sp00ky_audit": ROWS[:3],
    "sp00ky_control": ROWS[:3],
    "sp00ky_runner": ("SELECT", "UPDATE"),
    **dict.fromkeys(("sp00ky_breaker", "sp00ky_rollup", "sp00ky_migration"), ROWS[:1]),
}
"""What an operator may do to some tables; to the others it may do what a runner may."""


class MysqlStore(InLanes, TransactionalStore):
    """Jobs in MariaDB 10.11 or newer, for any number of processes; it is written for MySQL 8, too."""

    cancels = True
    poll = 0.5  # a look reads a few rows by their indexes
    capabilities: ClassVar[StoreCapabilities] = attrs.evolve(
        TransactionalStore.capabilities, synchronous=True, signals_across_processes=True
    )

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self._address = address_of(options.url)
        self._drivers: Sequence[Mapping[str, Any]] = self._address.drivers
        reader = partial(self._connect, "REPEATABLE READ")
        lane = partial(AsyncLane, conflicts=is_conflict, unfit=is_read_only, doubted_after=SILENCE)
        self.lanes = {
            Access.READ: lane(reader, BEGIN_READ, size=2),
            Access.QUERY: lane(reader, BEGIN_READ),
            Access.WRITE: lane(self._connect, "START TRANSACTION", size=4),
            Access.BEAT: lane(self._connect, "START TRANSACTION"),
        }

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._address.location

    def grants(self) -> list[str]:
        """See ``Grants.grants``: of ``app_role``, ``runner_role`` and ``operator_role``."""
        return [
            f"GRANT {', '.join(some)} ON {self._qualified(name)} TO {ROLES[use]}"
            for use, rights in self._rights().items()
            for name, some in rights.items()
        ]

    def _qualified(self, name: str) -> str:
        return f"{quoted(self._address.driver['database'])}.{quoted(name)}"

    def _rights(self) -> Mapping[Use, Mapping[str, Sequence[str]]]:
        """Return what each use needs to do, by the tables' names."""
        names = [table.name for table in self.declared]
        return {
            Use.ENQUEUE: {table.table: ROWS[:2] for table in self.options.tables},
            Use.RUN: dict.fromkeys(names, ROWS),
            Use.OPERATE: {name: OPERATED.get(name, ROWS) for name in names},
        }

    async def lacking(self) -> Mapping[Use, list[Finding]]:
        """See ``Grants.lacking``."""
        return await self._executor.read(partial(lacking, rights=self._rights(), qualified=self._qualified))

    async def check(self) -> list[Finding]:
        """See ``Store.check``: what a user may not read isn't looked at."""
        found = (await self.lacking())[Use.RUN]
        return found if any("SELECT" in one.problem for one in found) else [*found, *await super().check()]

    @asynccontextmanager
    async def own_transaction(self) -> AsyncIterator[Any]:
        """See ``Transactions.own_transaction``: on a connection of asyncmy's."""
        connection = (await self._connect()).connection
        try:
            await connection.begin()
            yield connection
            await connection.commit()
        finally:
            connection.close()

    def adopt(self, connection: object, access: Access) -> Session | None:
        """See ``TransactionalStore.adopt``: of SQLAlchemy, Django, PyMySQL, asyncmy, or aiomysql."""
        return callers_session(connection, self.translate, reads=access is Access.READ)

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``."""
        return translated(error, self.location)

    async def _connect(self, isolation: str = "READ COMMITTED") -> MysqlSession:
        """Connect to the first server that takes work; one that takes none is asked last from then on."""
        drivers, problems = self._drivers, list[str]()
        for driver in drivers:
            try:
                return await self._connect_to(driver, isolation)
            except Exception as error:
                known = self.translate(error)
                if len(drivers) == 1 or not isinstance(known, StoreUnavailable):
                    raise
                problems.append(f"{driver['host']}:{driver['port']}: {known.problem}")
            self._drivers = sorted(self._drivers, key=driver.__eq__)
        raise StoreUnavailable(store=self.location, problem="; ".join(problems))

    async def _connect_to(self, driver: Mapping[str, Any], isolation: str) -> MysqlSession:
        options = {"autocommit": True, "charset": "utf8mb4", "client_flag": CLIENT.FOUND_ROWS}
        connection = Connection(**driver, **options)  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(PATIENCE):
                await connection.connect()
                session = MysqlSession(connection, self.translate)
                session.collation = collation_of(connection.get_server_info(), self.location)
                session.another = partial(self._connect_to, driver, isolation)
                await session.execute(SETTINGS)
                await session.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")
                (session.thread,), _ = await session.execute(OWN_THREAD)
                if len(self._drivers) > 1:
                    await session.refuse_unfit()
        except BaseException as error:
            connection.close()
            if isinstance(error, RuntimeError):  # on uvloop, of a socket that the server closes at once
                raise ConnectionError(f"closed while it was made: {error}") from error
            raise
        return session
