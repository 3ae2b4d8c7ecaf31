"""The core's suite, on both embedded engines and on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from surrealdb import AsyncSurreal, RecordID

from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Statement, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.url import target_of


class SurrealConformance(StoreConformance):
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


class TestMemoryEngine(SurrealConformance):
    url = "mem://"


class TestFileEngine(SurrealConformance):
    url = "surrealkv://jobs.db"


class TestServer(SurrealConformance):
    @pytest.fixture(autouse=True)
    def _server(self, surreal_url: str) -> None:
        self.url = surreal_url

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
