"""The core's whole suite, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import psycopg
import pytest

from sp00ky_conformance.store.jobs.refusals import REFUSED
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Store, StoreOptions
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
