"""Stores on an embedded database, and the spec's job table as its documentation has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_surreal import SurrealStore

TABLES = (JobTable(backend="api", table="job"),)


@pytest.fixture
def spec_schema() -> str:
    """The documentation's schema, to the letter."""
    return (Path(__file__).parent / "spec_job.surql").read_text(encoding="utf-8")


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., SurrealStore]:
    """A store that isn't open."""

    def make(url: str = "mem://", tables: tuple[JobTable, ...] = TABLES, **options: Any) -> SurrealStore:
        return SurrealStore(StoreOptions(url=url, tables=tables, directory=tmp_path, **options))

    return make


@pytest_asyncio.fixture
async def store(make_store: Callable[..., SurrealStore]) -> AsyncIterator[SurrealStore]:
    """An open store on an empty database."""
    store = make_store()
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def migrated(store: SurrealStore) -> SurrealStore:
    """An open store with its tables."""
    await store.migrate()
    return store


@pytest_asyncio.fixture
async def spec_store(store: SurrealStore, spec_schema: str) -> SurrealStore:
    """An open store on the documentation's table, migrated without repairs."""
    await store._connection.write(spec_schema)
    await store.migrate()
    return store
