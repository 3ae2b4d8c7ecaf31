"""The core's whole suite, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import psycopg
import pytest
import pytest_asyncio
from tests.store_postgres.conftest import with_query
from tests.store_postgres.shelf import Shelf

from sp00ky_conformance.store.connection.processes import ProcessConformance
from sp00ky_conformance.store.harness import API, MAIL, StoreHarness
from sp00ky_conformance.store.jobs.refusals import REFUSED
from sp00ky_conformance.store.observe.reading import LifeConformance
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_postgres import PostgresStore

TABLES = tuple(JobTable(backend=backend, table=f"{backend}_job") for backend in (API, MAIL))

WITHOUT_TABLES = "test_a_missing_table_is_said_in_our_words"

DEFINING = (LifeConformance, ProcessConformance)
"""Tests that migrate: each has a schema of its own. Others find one that is migrated and has no rows."""


class PostgresHarness(StoreHarness):
    """What the suite needs of an adapter."""

    @pytest.fixture
    def shelf(self, all_kept: Shelf, request: pytest.FixtureRequest) -> Shelf | None:
        """Where a schema comes from that is migrated; None: the test needs one that isn't."""
        name = request.node.originalname
        defining = name == WITHOUT_TABLES or any(name in vars(suite) for suite in DEFINING)
        return None if defining else all_kept

    @pytest.fixture
    def schema(self, shelf: Shelf | None) -> str:
        return f'Test "{new_key()[-12:]}"' if shelf is None else shelf.take(*TABLES)

    @pytest_asyncio.fixture
    async def sql(self, dsn: str, schema: str, shelf: Shelf | None) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection past the store."""
        connection = await asyncpg.connect(dsn)
        try:
            if shelf is not None and not shelf.is_migrated(schema):
                options = StoreOptions(url=with_query(dsn, schema=schema), tables=TABLES)
                await PostgresStore(options).migrate()
                await shelf.migrated(connection, schema)
            yield connection
            if shelf is None or not await shelf.put_back(connection, schema, *TABLES):
                quoted = schema.replace('"', '""')
                await connection.execute(f'DROP SCHEMA IF EXISTS "{quoted}" CASCADE')
        finally:
            await connection.close()

    @pytest.fixture
    def options(self, tmp_path: Path) -> StoreOptions:
        """The same two tables for each test."""
        return StoreOptions(url="conformance://", tables=TABLES, directory=tmp_path)

    @pytest.fixture(autouse=True)
    def _server(self, url: str, dsn: str, sql: Any, schema: str, shelf: Shelf | None, forge: Any) -> None:
        self.forge = forge  # other processes import this module, and can't import ``tests``
        self.url, self.dsn, self.sql, self.is_migrated = url, dsn, sql, shelf is not None
        self.schema = '"' + schema.replace('"', '""') + '"'

    def make_store(self, options: StoreOptions) -> Store:
        return PostgresStore(attrs.evolve(options, url=self.url))

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        columns = ", ".join(fields)
        places = ", ".join(f"${n}" for n in range(1, len(fields) + 1))
        insert = f"INSERT INTO {self.schema}.{table} ({columns}) VALUES ({places}) RETURNING id"
        try:
            ((key,),) = await self.forge(self.sql, self.schema, insert, *fields.values(), table=table)
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

    def blocking(self, store: Store) -> AbstractContextManager[object]:
        return psycopg.connect(self.dsn)

    async def refuse(self, store: Store, table: str, what: str) -> None:
        event = "INSERT" if what == "insert" else "UPDATE"
        result = "AND NEW.result IS NOT NULL" if what == "result" else ""
        raising = "BEGIN RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'as was asked'; END"
        body = f"CREATE FUNCTION {self.schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $${raising}$$"
        when = f"FOR EACH ROW WHEN (NEW.path = '{REFUSED}' {result})"
        trigger = f"CREATE TRIGGER refuse BEFORE {event} ON {self.schema}.{table} {when}"
        await self.sql.execute(f"{body}; {trigger} EXECUTE FUNCTION {self.schema}.refuse()")

    async def backdate_beat(self, store: Store, runner_id: str, seconds: float) -> None:
        update = f"UPDATE {self.schema}.sp00ky_runner SET beat_at = beat_at - make_interval(secs => $1)"
        await self.sql.execute(f"{update} WHERE id = $2", seconds, runner_id)

    async def backdate_audit(self, store: Store, entry_id: str, seconds: float) -> None:
        update = f"UPDATE {self.schema}.sp00ky_audit SET at = at - make_interval(secs => $1)"
        await self.sql.execute(f"{update} WHERE id = $2", seconds, int(entry_id))

    async def change_row(self, store: Store, job_id: str, fields: Mapping[str, Any]) -> None:
        table, _, key = job_id.partition(":")
        columns = ", ".join(f"{name} = ${n}" for n, name in enumerate(fields, 2))
        update = f"UPDATE {self.schema}.{table} SET {columns} WHERE id = $1"
        await self.sql.execute(update, key, *fields.values())

    async def delete_row(self, store: Store, job_id: str) -> None:
        table, _, key = job_id.partition(":")
        await self.sql.execute(f"DELETE FROM {self.schema}.{table} WHERE id = $1", key)

    async def drop_indexes(self, store: Store, table: str) -> None:
        select = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisprimary AND indrelid"
        for (name,) in await self.sql.fetch(f"{select} = '{self.schema}.{table}'::regclass"):
            await self.sql.execute(f"DROP INDEX {name}")

    def query_of(self, store: Store, table: str, what: str) -> str:
        name = f"{self.schema}.{table}"
        return {
            "rows": f"SELECT path, max_retries FROM {name} ORDER BY path",
            "write": f"WITH gone AS (DELETE FROM {name} RETURNING path) SELECT path FROM gone",
            "wrong": f"SELECT FROM {name} WHERE",
            "slow": "SELECT pg_sleep(600)",
        }[what]

    async def sever(self, store: Store) -> None:
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        await self.sql.execute(f"{ending} WHERE pid <> pg_backend_pid() AND datname = current_database()")


class TestPostgresStore(PostgresHarness, StoreConformance):
    """On a server."""
