"""``TransactionalStore`` on a driver with ``async`` calls, of a few lines."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import aiosqlite
import attrs
import pytest
from tests.store_sqlite.test_store import SqliteConformance, SqliteHarness

from sp00ky_conformance.store.connection.errors import ErrorConformance
from sp00ky_conformance.store.connection.interrupted import InterruptionConformance
from sp00ky_conformance.store.connection.processes import ProcessConformance
from sp00ky_conformance.store.flags import FlagConformance
from sp00ky_conformance.store.jobs.claim import ClaimConformance, ClaimersConformance
from sp00ky_conformance.store.jobs.enqueue import EnqueueConformance, TransactionConformance
from sp00ky_conformance.store.jobs.reclaim import ReclaimConformance
from sp00ky_conformance.store.jobs.settle import FencingConformance, ReleaseConformance, SettleConformance
from sp00ky_conformance.store.observe.liveness import BeatConformance, SignalConformance, WatchConformance
from sp00ky_conformance.store.observe.reading import LifeConformance
from sp00ky_conformance.store.steering.exclusion import CompetitionConformance
from sp00ky_conformance.store.steering.in_flight import InFlightSharedConformance
from sp00ky_conformance.store.steering.rate import RateSharedConformance
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.stores.transactional import Access, Reply, Work
from sp00ky_store_sqlite import SqliteStore
from sp00ky_store_sqlite.session import SqliteSession

T = TypeVar("T")


class AsyncSession(SqliteSession):
    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        async with self.connection.execute(text, parameters) as cursor:
            rows = await cursor.fetchall() if cursor.description else ()
            return rows, cursor.rowcount

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> None:
        async with self.connection.executemany(text, parameters):
            pass


class AsyncStore(SqliteStore):
    """Its ``run`` awaits each statement; it asks no queries."""

    capabilities = attrs.evolve(SqliteStore.capabilities, schedules=False)

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self.connections: dict[Access, aiosqlite.Connection] = {}
        self._turns = {access: asyncio.Lock() for access in Access}
        self._writer = asyncio.Lock()  # a beat waits for one write at most: the others wait for their turn

    async def run(self, work: Work[T], access: Access) -> T:
        async with self._turns[access], nullcontext() if access is Access.READ else self._writer:
            connection = await self._begun(access)
            try:
                result = await work(AsyncSession(connection, self.translate))
                await connection.execute("COMMIT")
            except BaseException:
                await connection.rollback()
                raise
            return result

    async def disconnect(self) -> None:
        while self.connections:
            await self.connections.popitem()[1].close()
        await super().disconnect()

    async def _begun(self, access: Access) -> aiosqlite.Connection:
        begin = "BEGIN" if access is Access.READ else "BEGIN IMMEDIATE"
        if access in self.connections:
            try:
                await self.connections[access].execute(begin)
            except (ValueError, aiosqlite.Error):
                await self.connections.pop(access).close()
            else:
                return self.connections[access]
        (await asyncio.to_thread(self._connect)).connection.close()  # the file is in WAL from here on
        connection = await aiosqlite.connect(self._path, timeout=5, isolation_level=None)
        await connection.execute(begin)
        self.connections[access] = connection
        return connection


class AsyncHarness(SqliteHarness):
    make = AsyncStore

    async def sever(self, store: Store) -> None:
        assert isinstance(store, AsyncStore)
        for connection in store.connections.values():
            await connection.close()


class TestAsyncStore(
    AsyncHarness,
    EnqueueConformance,
    TransactionConformance,
    ClaimConformance,
    ClaimersConformance,
    SettleConformance,
    FencingConformance,
    ReleaseConformance,
    ReclaimConformance,
    CompetitionConformance,
    RateSharedConformance,
    InFlightSharedConformance,
    BeatConformance,
    SignalConformance,
    WatchConformance,
    LifeConformance,
    InterruptionConformance,
    ErrorConformance,
    ProcessConformance,
    FlagConformance,
):
    """Transactions at once, what becomes of them, and lives of a store.

    What a statement does is the same as with ``TestSqliteStore``, which passes the whole suite.
    """


@pytest.mark.slow
class TestWholeAsyncStore(AsyncHarness, SqliteConformance):
    """The whole suite."""
