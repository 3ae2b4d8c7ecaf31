"""The core's whole suite, on a file."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import datetime
from typing import Any

import attrs

from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_conformance.store.jobs.refusals import REFUSED
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_kit.memory import to_microseconds
from sp00ky_store_sqlite import SqliteStore


class SqliteHarness(StoreHarness):
    """What the suite needs of an adapter."""

    make = SqliteStore

    def make_store(self, options: StoreOptions) -> Store:
        return type(self).make(attrs.evolve(options, url="sqlite:///jobs.db"))

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        columns, places = ", ".join(fields), ", ".join("?" * len(fields))
        values = [
            to_microseconds(field) if isinstance(field, datetime) else field for field in fields.values()
        ]
        try:
            with closing(self.connect(store)) as connection, connection:
                insert = f'INSERT INTO "{table}" ({columns}) VALUES ({places}) RETURNING id'
                (key,) = connection.execute(insert, values).fetchone()
        except sqlite3.Error as error:
            raise RowRefused(store=store.location, problem=str(error)) from error
        return f"{table}:{key}"

    @asynccontextmanager
    async def transaction(self, store: Store) -> AsyncIterator[object]:
        with closing(self.connect(store)) as connection, connection:
            yield connection

    @contextmanager
    def blocking(self, store: Store) -> Iterator[object]:
        with closing(self.connect(store)) as connection, connection:
            yield connection

    def connect(self, store: Store) -> sqlite3.Connection:
        return sqlite3.connect(store.location.removeprefix("sqlite:///"))

    async def refuse(self, store: Store, table: str, what: str) -> None:
        event = "INSERT" if what == "insert" else "UPDATE"
        result = "AND NEW.result IS NOT NULL" if what == "result" else ""
        trigger = f"CREATE TRIGGER refuse BEFORE {event} ON {table} WHEN NEW.path = '{REFUSED}' {result}"
        with closing(self.connect(store)) as connection:
            connection.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, 'refused, as was asked'); END")

    async def backdate_beat(self, store: Store, runner_id: str, seconds: float) -> None:
        with closing(self.connect(store)) as connection, connection:
            update = "UPDATE sp00ky_runner SET beat_at = beat_at - ? WHERE id = ?"
            connection.execute(update, (int(seconds * 1_000_000), runner_id))

    async def backdate_audit(self, store: Store, entry_id: str, seconds: float) -> None:
        with closing(self.connect(store)) as connection, connection:
            update = "UPDATE sp00ky_audit SET at = at - ? WHERE id = ?"
            connection.execute(update, (int(seconds * 1_000_000), entry_id))

    async def change_row(self, store: Store, job_id: str, fields: Mapping[str, Any]) -> None:
        table, _, key = job_id.partition(":")
        columns = ", ".join(f"{name} = ?" for name in fields)
        with closing(self.connect(store)) as connection, connection:
            connection.execute(f'UPDATE "{table}" SET {columns} WHERE id = ?', (*fields.values(), key))

    async def delete_row(self, store: Store, job_id: str) -> None:
        table, _, key = job_id.partition(":")
        with closing(self.connect(store)) as connection, connection:
            connection.execute(f'DELETE FROM "{table}" WHERE id = ?', (key,))

    async def drop_indexes(self, store: Store, table: str) -> None:
        with closing(self.connect(store)) as connection, connection:
            select = "SELECT name FROM pragma_index_list(?) WHERE origin = 'c'"
            for (name,) in connection.execute(select, (table,)).fetchall():
                connection.execute(f'DROP INDEX "{name}"')

    def query_of(self, store: Store, table: str, what: str) -> str:
        return {
            "rows": f"SELECT path, max_retries FROM {table} ORDER BY path",
            "write": f"DELETE FROM {table} RETURNING path",
            "wrong": f"SELECT FROM {table} WHERE",
            "slow": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        }[what]

    async def sever(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        for lane in store.lanes.values():
            for session in lane._idle:
                session.connection.close()


class SqliteConformance(SqliteHarness, StoreConformance):
    """The whole suite, whatever store ``make`` makes."""


class TestSqliteStore(SqliteConformance):
    """On sqlite3."""
