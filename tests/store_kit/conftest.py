"""A database in memory with every table, and a clock that a test sets: for one part at a time."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_store_kit import BlockingSession, Default, Kind, Table
from sp00ky_store_kit.jobs.claim import Claiming
from sp00ky_store_kit.jobs.enqueue import add
from sp00ky_store_kit.schema import all_tables, migrate

API = JobTable(backend="api", table="job", routes=frozenset({"/a"}))
MAIL = JobTable(backend="mail", table="mail_job")
TABLES = (API, MAIL)
BY_BACKEND = {table.backend: table for table in TABLES}
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def refused(error: Exception) -> Exception:
    return (
        RowRefused(store="test", problem=str(error)) if isinstance(error, sqlite3.IntegrityError) else error
    )


class SqliteSession(BlockingSession):
    column_names = "SELECT name FROM pragma_table_info(?)"
    index_names = "SELECT name FROM pragma_index_list(?)"
    types: ClassVar = dict.fromkeys(Kind, "TEXT") | {Kind.INTEGER: "INTEGER", Kind.REAL: "REAL"}
    defaults: ClassVar = {
        Default.KEY: "(lower(hex(randomblob(16))))",
        Default.NOW: "(strftime('%Y-%m-%dT%H:%M:%f000+00:00'))",
    }
    encoders: ClassVar = {Kind.INSTANT: lambda at: at.isoformat(timespec="microseconds")}
    decoders: ClassVar = {Kind.INSTANT: datetime.fromisoformat}

    at = NOW

    def pass_time(self, **time: float) -> None:
        self.at += timedelta(**time)

    async def now(self) -> datetime:
        return self.at

    async def refuse(self, operation: str, when: str, table: str = "job") -> None:
        """Have the database refuse rows."""
        name = f"refuses_{operation.split(maxsplit=1)[0].lower()}"
        await self.execute(
            f"CREATE TRIGGER {name} BEFORE {operation} ON {table} WHEN {when} "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )


def overtaken(session: SqliteSession, table: Table, by: str) -> None:
    """Have another transaction commit a statement once, just before this one first writes a table."""

    def first(write: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
        async def commits_first(on: Table, *arguments: Any) -> int:
            if on is table and vars(session).pop("update", None):
                del vars(session)["delete"]
                await session.execute(by)
            return await write(on, *arguments)

        return commits_first

    vars(session).update(update=first(session.update), delete=first(session.delete))


@pytest.fixture
async def empty() -> AsyncIterator[SqliteSession]:
    """A database without tables."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield SqliteSession(connection, refused)


@pytest.fixture
async def session(empty: SqliteSession) -> SqliteSession:
    await migrate(empty, all_tables(TABLES), "test")
    return empty


async def added(session: SqliteSession, count: int = 1, backend: str = "api", **fields: Any) -> list[Job]:
    """Jobs that wait, each a second older than the next."""
    jobs: list[Job] = []
    options = {"path": "/a", "max_retries": 3, "retry_strategy": "linear"} | fields
    for _ in range(count):
        jobs += await add(session, BY_BACKEND, [NewJob(backend=backend, **options)])
        session.pass_time(seconds=1)
    return jobs


async def claimed(session: SqliteSession, count: int = 1, runner_id: str = "r") -> list[Job]:
    """Jobs that a runner has claimed, of one backend."""
    return list(await Claiming(slots={API: count}, runner_id=runner_id, refused=Quarantine()).claim(session))
