"""The core's suite, on an embedded file and on a server; in the memory of a process what is its own there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from surrealdb import AsyncSurreal, RecordID

from sp00ky_conformance.store.connection.errors import ErrorConformance
from sp00ky_conformance.store.connection.interrupted import InterruptionConformance
from sp00ky_conformance.store.connection.processes import ProcessConformance
from sp00ky_conformance.store.flags import FlagConformance
from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_conformance.store.jobs.claim import ClaimConformance, ClaimersConformance
from sp00ky_conformance.store.jobs.enqueue import EnqueueConformance
from sp00ky_conformance.store.jobs.reclaim import ReclaimConformance
from sp00ky_conformance.store.jobs.settle import FencingConformance, ReleaseConformance, SettleConformance
from sp00ky_conformance.store.observe.liveness import BeatConformance, SignalConformance, WatchConformance
from sp00ky_conformance.store.observe.reading import LifeConformance
from sp00ky_conformance.store.steering.exclusion import CompetitionConformance
from sp00ky_conformance.store.steering.in_flight import InFlightSharedConformance
from sp00ky_conformance.store.steering.rate import RateSharedConformance
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Statement, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.url import target_of


class SurrealHarness(StoreHarness):
    """What the suite needs of an adapter."""

    url = ""

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

    async def transact(
        self, store: Store, statements: Sequence[Statement], *, roll_back: bool = False
    ) -> None:
        assert isinstance(store, SurrealStore)
        text = "".join(each.text for each in statements)
        bindings = {name: value for each in statements for name, value in each.bindings.items()}
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


class TestFileEngine(SurrealHarness, StoreConformance):
    url = "surrealkv://jobs.db"


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


class TestServer(SurrealHarness, StoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        if request.node.name.startswith("test_ten_thousand"):
            # In memory a server (3.3) takes four times as long for a transaction that is twice as long.
            server = request.getfixturevalue("new_surreal_server")(f"surrealkv://{tmp_path / 'db'}")
            self.url = server.url()
        else:
            self.url = request.getfixturevalue("surreal_url")

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
