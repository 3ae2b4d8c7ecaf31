"""The core's suite, on an embedded file and on a server; in the memory of a process what is its own there."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import pytest
import pytest_asyncio
from surrealdb import AsyncSurreal, RecordID
from tests.conftest import SurrealServer, as_root
from tests.schedules.conformance.suite import ScheduleConformance

from sp00ky_conformance.store.capability_flags import FlagConformance
from sp00ky_conformance.store.connection.errors import ErrorConformance
from sp00ky_conformance.store.connection.interrupted import InterruptionConformance
from sp00ky_conformance.store.connection.processes import ProcessConformance
from sp00ky_conformance.store.harness import API, MAIL, StoreHarness
from sp00ky_conformance.store.jobs.claim import ClaimConformance, ClaimersConformance
from sp00ky_conformance.store.jobs.enqueue import EnqueueConformance
from sp00ky_conformance.store.jobs.reclaim import ReclaimConformance
from sp00ky_conformance.store.jobs.refusals import RefusalConformance
from sp00ky_conformance.store.jobs.settle import FencingConformance, ReleaseConformance, SettleConformance
from sp00ky_conformance.store.observe.reading import LifeConformance
from sp00ky_conformance.store.observe.signals_and_watch import (
    BeatConformance,
    SignalConformance,
    WatchConformance,
)
from sp00ky_conformance.store.steering.in_flight import InFlightSharedConformance
from sp00ky_conformance.store.steering.ordering_key_exclusion import CompetitionConformance
from sp00ky_conformance.store.steering.rate import RateSharedConformance
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable, Statement, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection import reconnecting_pool, websocket
from sp00ky_store_surreal.ids import id_text, id_value
from sp00ky_store_surreal.schema.own_tables import OWN_TABLES
from sp00ky_store_surreal.url import target_of

TABLES = tuple(JobTable(backend=backend, table=f"{backend}_job") for backend in (API, MAIL))

WITHOUT_TABLES = "test_a_missing_table_is_said_in_our_words"

DEFINING = (LifeConformance, ProcessConformance, RefusalConformance)
"""Tests that migrate, or change definitions. Others find their tables migrated, and without rows."""


class SurrealHarness(StoreHarness):
    """What the suite needs of an adapter."""

    url = ""

    @pytest.fixture
    def options(self, tmp_path: Path) -> StoreOptions:
        """The same two tables for each test."""
        return StoreOptions(url="conformance://", tables=TABLES, directory=tmp_path)

    def make_store(self, options: StoreOptions) -> Store:
        return SurrealStore(attrs.evolve(options, url=self.url))

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        assert isinstance(store, SurrealStore)
        record = RecordID(table, fields.get("id") or new_key())
        row = {name: value for name, value in fields.items() if name != "id"}
        await store._connection.write("CREATE $id CONTENT $row RETURN NONE", id=record, row=row)
        if "run_at" in row and row["run_at"] is None:
            await store._connection.write("UPDATE $id SET run_at = NONE RETURN NONE", id=record)
        return id_text(record)

    async def change_row(self, store: Store, job_id: str, fields: Mapping[str, Any]) -> None:
        assert isinstance(store, SurrealStore)
        row = id_value(job_id)
        await store._connection.write("UPDATE $id MERGE $fields RETURN NONE", id=row, fields=dict(fields))

    async def transact(
        self, store: Store, statements: Sequence[Statement], *, roll_back: bool = False
    ) -> None:
        assert isinstance(store, SurrealStore)
        text = "".join(statement.text for statement in statements)
        bindings = {name: value for statement in statements for name, value in statement.bindings.items()}
        try:
            end = "THROW 'rolled back';" if roll_back else ""
            await store._connection.write(f"BEGIN; {text} {end} COMMIT;", **bindings)
        except RowRefused as error:
            if not roll_back or "rolled back" not in str(error):
                raise

    def query_of(self, store: Store, table: str, what: str) -> str:
        return {
            "rows": f"SELECT path, max_retries FROM {table} ORDER BY path",  # noqa: S608  # the test's own
            "write": f"DELETE {table} RETURN BEFORE",
            "wrong": f"SELECT FROM {table} WHERE",
            "slow": "SELECT sleep(10m) AS slept FROM 1",
        }[what]


def is_defining(request: pytest.FixtureRequest) -> bool:
    name = request.node.originalname
    return name == WITHOUT_TABLES or any(name in vars(suite) for suite in DEFINING)


async def migrate(url: str, folder: Path) -> None:
    store = SurrealStore(StoreOptions(url=url, tables=TABLES, directory=folder))
    await store.open()
    await store.migrate()
    await store.close()


@pytest.fixture(scope="module")
def migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    asyncio.run(migrate(FileHarness.url, folder))
    return folder


class FileHarness(SurrealHarness):
    url = "surrealkv://jobs.db"

    @pytest.fixture(autouse=True)
    def _copy(self, migrated_folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        self.is_migrated = not is_defining(request)
        if self.is_migrated:
            shutil.copytree(migrated_folder, tmp_path, dirs_exist_ok=True)


class TestFileEngine(FileHarness, StoreConformance):
    """On an embedded file."""


class TestSchedulesOfFileEngine(FileHarness, ScheduleConformance):
    """Schedules, on an embedded file."""


class TestMemoryEngine(
    SurrealHarness,
    EnqueueConformance,
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

    The statements are those that ``TestFileEngine`` sends to the same database, and the server of these tests
    keeps its rows in the same engine: each passes the whole suite.
    """

    url = "mem://"


LARGE = (
    "test_a_beat_waits_for_no_queue_of_claims",
    "test_a_beat_waits_for_no_queue_of_settles",
    "test_keys_that_wait_hide_no_other",
    "test_ten_thousand_jobs_are_one_fire",
)
"""Tests with hundreds of rows in a transaction.

In memory a server (3.3) takes four times as long for a transaction that is twice as long.
"""


@pytest.fixture(scope="module")
def server_with_a_file(
    surreal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SurrealServer]:
    server = SurrealServer(f"surrealkv://{tmp_path_factory.mktemp('server') / 'db'}")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def migrated_url(surreal_address: str) -> Iterator[str]:
    """A database that tests have one after the other."""
    name = f"test_{uuid4().hex[:12]}"
    url = f"ws://{surreal_address}/{name}/{name}"
    asyncio.run(migrate(url, Path()))
    yield url
    asyncio.run(as_root(surreal_address, f"REMOVE NAMESPACE {name}"))


class ServerHarness(SurrealHarness):
    @pytest_asyncio.fixture
    async def emptied_url(self, surreal_address: str, migrated_url: str) -> AsyncIterator[str]:
        """Its URL; what the test leaves in it is deleted."""
        yield migrated_url
        name = migrated_url.rpartition("/")[2]
        tables = [
            *(table.table for table in TABLES),
            *(table for table in OWN_TABLES if table != "sp00ky_migration"),
        ]
        deletes = "".join(f"DELETE {table} RETURN NONE;" for table in tables)
        await as_root(surreal_address, f"USE NS {name} DB {name}; {deletes}")

    @pytest.fixture(autouse=True)
    def _server(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, seconds in (
            (reconnecting_pool, "PATIENCE"),
            (websocket, "CONNECT_SECONDS"),
            (websocket, "SILENT_TICKS"),
        ):
            monkeypatch.setattr(module, seconds, 60)  # nothing is away here: the machine is busy
        self.is_migrated = False
        if request.node.originalname in LARGE:
            self.url = f"{request.getfixturevalue('server_with_a_file').url(uuid4().hex)}"
        elif is_defining(request):
            self.url = request.getfixturevalue("surreal_url")
        else:
            self.url = request.getfixturevalue("emptied_url")
            self.is_migrated = True

    @asynccontextmanager
    async def transaction(self, store: Store) -> AsyncIterator[object]:
        target = target_of(StoreOptions(url=self.url, tables=()))
        async with AsyncSurreal(target.sdk_url) as sdk:
            session = await sdk.new_session()
            await session.signin({"username": target.username, "password": target.password})
            await session.use(target.namespace, target.database)
            transaction = await session.begin_transaction()
            try:
                yield transaction
            except BaseException:
                await transaction.cancel()
                raise
            await transaction.commit()


class TestServer(ServerHarness, StoreConformance):
    """On a server."""


class TestSchedulesOfServer(ServerHarness, ScheduleConformance):
    """Schedules, on a server."""
