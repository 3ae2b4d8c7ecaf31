"""A session on SQLite, whose types and defaults are a test's own."""

import sqlite3
from contextlib import closing
from typing import Any, ClassVar

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import JobStatus
from sp00ky_core.stores.without_waiting import finished
from sp00ky_store_kit import BlockingSession, Column, Default, Index, Is, Kind, Table

TABLE = Table(
    'we"ird',
    (
        Column("id", Kind.TEXT, Default.KEY),
        Column("n", Kind.INTEGER, 0, required=True),
        Column("note", Kind.TEXT, "it's"),
    ),
    ("id",),
    (Index("n", ("n",), (Is("note", "=", JobStatus.PENDING),), unique=True),),
)


class Session(BlockingSession):
    types: ClassVar = dict.fromkeys(Kind, "TEXT") | {Kind.INTEGER: "INTEGER"}
    defaults: ClassVar = {Default.KEY: "(hex(randomblob(4)))", Default.NOW: "0"}
    encoders: ClassVar = {Kind.TEXT: str.upper}
    decoders: ClassVar = {Kind.TEXT: str.lower}

    async def now(self) -> Any:
        return None


def refused(error: Exception) -> Exception:
    return RowRefused(store="test", problem=str(error))


@pytest.fixture
def session() -> Any:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        session = Session(connection, refused)
        for part in (None, *TABLE.indexes):
            finished(session.define(session.definition(TABLE, part)))
        yield session
