"""The core's whole suite, on a server."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import attrs
import pymysql
import pytest
from tests.store_mysql.conftest import SERVER, connect, run, url_of

from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_conformance.store.jobs.refusals import REFUSED
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.url import address_of


def database_of(folder: Path) -> str:
    """The database of a test, as each of its processes names it."""
    return f"test_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


class MysqlHarness(StoreHarness):
    """What the suite needs of an adapter."""

    @pytest.fixture(autouse=True)
    def _database(self, server: str, tmp_path: Path) -> Iterator[None]:
        name = database_of(tmp_path)
        (tmp_path / SERVER).write_text(server)  # for processes that were started before it was
        run("none", f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        yield
        run("none", f"DROP DATABASE `{name}`")

    def make_store(self, options: StoreOptions) -> Store:
        server = (options.directory / SERVER).read_text()
        return MysqlStore(attrs.evolve(options, url=url_of(database_of(options.directory), server)))

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        columns, places = ", ".join(f"`{field}`" for field in fields), ", ".join(["%s"] * len(fields))
        values = [
            field.replace(tzinfo=None) if isinstance(field, datetime) else field for field in fields.values()
        ]
        try:
            before = {key for (key,) in self.run(store, f"SELECT id FROM `{table}`")}
            self.run(store, f"INSERT INTO `{table}` ({columns}) VALUES ({places})", values)
        except (pymysql.MySQLError, UnicodeEncodeError) as error:
            raise RowRefused(store=store.location, problem=str(error)) from error
        (key,) = {key for (key,) in self.run(store, f"SELECT id FROM `{table}`")} - before
        return f"{table}:{key}"

    @asynccontextmanager
    async def transaction(self, store: Store) -> AsyncIterator[object]:
        connection = await asyncmy.connect(**address_of(url_of(self.database(store))).driver)
        try:
            yield connection
            await connection.commit()
        finally:
            connection.close()

    @contextmanager
    def blocking(self, store: Store) -> Iterator[object]:
        with closing(connect(self.database(store), autocommit=False)) as connection:
            yield connection
            connection.commit()

    def database(self, store: Store) -> str:
        return urlsplit(store.location).path[1:]

    def run(self, store: Store, text: str, parameters: Any = None) -> tuple[Any, ...]:
        return run(self.database(store), text, parameters)

    async def refuse(self, store: Store, table: str, what: str) -> None:
        event = "INSERT" if what == "insert" else "UPDATE"
        result = "AND NEW.result IS NOT NULL" if what == "result" else ""
        signal = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused, as was asked'"
        condition = f"IF NEW.path = '{REFUSED}' {result} THEN {signal}; END IF"
        self.run(store, f"CREATE TRIGGER refuse BEFORE {event} ON `{table}` FOR EACH ROW {condition}")

    async def backdate_beat(self, store: Store, runner_id: str, seconds: float) -> None:
        update = "UPDATE sp00ky_runner SET beat_at = beat_at - INTERVAL %s MICROSECOND WHERE id = %s"
        self.run(store, update, (int(seconds * 1_000_000), runner_id))

    async def backdate_audit(self, store: Store, entry_id: str, seconds: float) -> None:
        update = "UPDATE sp00ky_audit SET at = at - INTERVAL %s MICROSECOND WHERE id = %s"
        self.run(store, update, (int(seconds * 1_000_000), entry_id))

    async def change_row(self, store: Store, job_id: str, fields: Mapping[str, Any]) -> None:
        table, _, key = job_id.partition(":")
        columns = ", ".join(f"{name} = %s" for name in fields)
        self.run(store, f"UPDATE `{table}` SET {columns} WHERE id = %s", (*fields.values(), key))

    async def delete_row(self, store: Store, job_id: str) -> None:
        table, _, key = job_id.partition(":")
        self.run(store, f"DELETE FROM `{table}` WHERE id = %s", (key,))

    async def drop_indexes(self, store: Store, table: str) -> None:
        names = {row[2] for row in self.run(store, f"SHOW INDEX FROM `{table}`")} - {"PRIMARY"}
        self.run(store, f"ALTER TABLE `{table}` {', '.join(f'DROP INDEX `{name}`' for name in names)}")

    def query_of(self, store: Store, table: str, what: str) -> str:
        return {
            "rows": f"SELECT path, max_retries FROM {table} ORDER BY path",
            "write": f"DELETE FROM {table}",
            "wrong": f"SELECT FROM {table} WHERE",
            "slow": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sleep(600)",
        }[what]

    async def sever(self, store: Store) -> None:
        text = "SELECT id FROM information_schema.processlist WHERE db = %s"
        for (thread,) in run("none", text, (self.database(store),)):
            run("none", f"KILL {thread}")


class TestMysqlStore(MysqlHarness, StoreConformance):
    """On asyncmy."""
