"""The core's whole suite, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import psycopg
import pytest
import pytest_asyncio
from tests.store_postgres.conftest import with_query

from sp00ky_conformance.store.connection.processes import ProcessConformance
from sp00ky_conformance.store.harness import API, MAIL
from sp00ky_conformance.store.jobs.refusals import REFUSED, RefusalConformance
from sp00ky_conformance.store.observe.reading import LifeConformance
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_postgres import PostgresStore

TABLES = tuple(JobTable(backend=each, table=f"{each}_job") for each in (API, MAIL))

WITHOUT_TABLES = "test_a_missing_table_is_said_in_our_words"

DEFINING = (LifeConformance, ProcessConformance, RefusalConformance)
"""Tests that migrate, or change definitions: each has a schema of its own. Others find one without rows."""

MANY = 500
"""Rows that were deleted are in the way of the next tests; so many cost more than new tables."""


class Kept:
    """A schema that is migrated once and emptied after each test."""

    def __init__(self) -> None:
        self.schema = f'Test "{new_key()[-12:]}"'
        self.is_migrated = False

    @property
    def quoted(self) -> str:
        return '"' + self.schema.replace('"', '""') + '"'

    async def migrate(self, dsn: str) -> None:
        """Migrate it, if it isn't."""
        if not self.is_migrated:
            await PostgresStore(
                StoreOptions(url=with_query(dsn, schema=self.schema), tables=TABLES)
            ).migrate()
            self.is_migrated = True

    async def empty(self, sql: asyncpg.Connection[Any]) -> None:
        """Delete all rows; after many, the schema itself."""
        found = await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", self.schema)
        names = [each["tablename"] for each in found if each["tablename"] != "sp00ky_migration"]
        replies = [await sql.execute(f'DELETE FROM {self.quoted}."{name}"') for name in names]
        if sum(int(each.rpartition(" ")[2]) for each in replies) > MANY:
            await self.drop(sql)

    async def drop(self, sql: asyncpg.Connection[Any]) -> None:
        await sql.execute(f"DROP SCHEMA IF EXISTS {self.quoted} CASCADE")
        self.is_migrated = False


@pytest.fixture(scope="module")
def all_kept(dsn: str) -> Iterator[Kept]:
    kept = Kept()
    yield kept
    asyncio.run(_drop(dsn, kept))


class TestPostgresStore(StoreConformance):
    @pytest.fixture
    def kept(self, all_kept: Kept, request: pytest.FixtureRequest) -> Kept | None:
        """The schema that tests share, one after the other; None: this one has its own."""
        name = request.node.originalname
        defining = name == WITHOUT_TABLES or any(name in vars(each) for each in DEFINING)
        return None if defining else all_kept

    @pytest.fixture
    def schema(self, kept: Kept | None) -> str:
        return (kept or Kept()).schema

    @pytest_asyncio.fixture
    async def sql(self, dsn: str, schema: str, kept: Kept | None) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection past the store."""
        connection = await asyncpg.connect(dsn)
        try:
            if kept is not None:
                await kept.migrate(dsn)
            yield connection
            if kept is None:
                quoted = schema.replace('"', '""')
                await connection.execute(f'DROP SCHEMA IF EXISTS "{quoted}" CASCADE')
            else:
                await kept.empty(connection)
        finally:
            await connection.close()

    @pytest.fixture
    def options(self, tmp_path: Path) -> StoreOptions:
        """The same two tables for each test."""
        return StoreOptions(url="conformance://", tables=TABLES, directory=tmp_path)

    @asynccontextmanager
    async def opened(self, options: StoreOptions, **table: Any) -> AsyncIterator[Store]:
        tables = tuple(attrs.evolve(each, **table) for each in options.tables)
        store = self.make_store(attrs.evolve(options, tables=tables))
        await store.open()
        try:
            if not self.is_migrated:
                await store.migrate()
            yield store
        finally:
            await store.close()

    @pytest.fixture(autouse=True)
    def _server(self, url: str, dsn: str, sql: Any, schema: str, kept: Kept | None) -> None:
        self.url, self.dsn, self.sql, self.is_migrated = url, dsn, sql, kept is not None
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

    async def delete_row(self, store: Store, job_id: str) -> None:
        table, _, key = job_id.partition(":")
        await self.sql.execute(f"DELETE FROM {self.schema}.{table} WHERE id = $1", key)

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


async def _drop(dsn: str, kept: Kept) -> None:
    connection = await asyncpg.connect(dsn)
    await kept.drop(connection)
    await connection.close()
