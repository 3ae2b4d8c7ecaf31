"""The core's whole suite, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.testing.store import StoreConformance
from sp00ky_store_postgres import PostgresStore


class TestPostgresStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, url: str, dsn: str, sql: Any, schema: str) -> None:
        self.url, self.dsn, self.sql = url, dsn, sql
        self.schema = '"' + schema.replace('"', '""') + '"'

    def make_store(self, options: StoreOptions) -> Store:
        return PostgresStore(attrs.evolve(options, url=self.url))

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        columns = ", ".join(fields)
        places = ", ".join(f"${n}" for n in range(1, len(fields) + 1))
        insert = f"INSERT INTO {self.schema}.{table} ({columns}) VALUES ({places}) RETURNING id"
        try:
            key = await self.sql.fetchval(insert, *fields.values())
        except (asyncpg.PostgresError, asyncpg.DataError) as error:
            raise RowRefused(store="postgresql", problem=str(error)) from error
        return f"{table}:{key}"

    @asynccontextmanager
    async def transaction(self, store: Store) -> AsyncIterator[object]:
        connection = await asyncpg.connect(self.dsn)
        try:
            async with connection.transaction():
                yield connection
        finally:
            await connection.close()
