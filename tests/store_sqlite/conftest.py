"""A file of the test's own, and a connection past the store."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore


@pytest.fixture
def options(tmp_path: Path) -> StoreOptions:
    return StoreOptions(
        url="sqlite:///app.db", tables=(JobTable(backend="api", table="job"),), directory=tmp_path
    )


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        yield connection


async def migrated(options: StoreOptions) -> SqliteStore:
    store = SqliteStore(options)
    await store.open()
    await store.migrate()
    return store


@pytest.fixture
async def store(options: StoreOptions) -> AsyncIterator[SqliteStore]:
    store = await migrated(options)
    yield store
    await store.close()
