"""A whole store of a few primitives: its calls, its signals, and what it refuses."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.store_kit.conftest import TABLES, SqliteSession, refused

from sp00ky_conformance.cancellation import turns
from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import StoreOptions
from sp00ky_store_kit import Access, BlockingLane, TransactionalStore, Work
from sp00ky_store_kit.jobs import due

JOB = NewJob(path="/a", backend="api", max_retries=3, retry_strategy="linear")


class Store(TransactionalStore):
    """Keeps jobs in one SQLite file, by one connection."""

    location = "sqlite-of-a-test"

    def __init__(self, file: Path) -> None:
        super().__init__(StoreOptions(url="sqlite-of-a-test", tables=TABLES))
        self._lane = BlockingLane(lambda: SqliteSession(connected(file), refused), "BEGIN IMMEDIATE")

    async def run(self, work: Work[Any], access: Access) -> Any:
        return await self._lane.run(work)

    async def disconnect(self) -> None:
        await self._lane.close()

    def adopt(self, connection: object, access: Access) -> SqliteSession | None:
        return SqliteSession(connection, refused) if isinstance(connection, sqlite3.Connection) else None

    def translate(self, error: Exception) -> Exception:
        return StoreError(store=self.location, problem=str(error))


def connected(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "jobs.db")
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def test_new_work_has_every_key_looked_at_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "MOST_KEYS", 1)
    monkeypatch.setattr(due, "BATCH", 1)
    later = attrs.evolve(JOB, delay=timedelta(hours=1))
    await store.add([attrs.evolve(later, ordering_key=key) for key in "abc"])
    assert (await store.claim({"api": 5}, "r")).retry_in == {"api": 0.0}
    (job,) = await store.add([attrs.evolve(JOB, ordering_key="0")])
    claims = [await store.claim({"api": 5}, "r") for _ in range(3)]
    assert [[claimed.id for claimed in claim] for claim in claims] == [[], [], [job.id]]
    assert [claim.retry_in for claim in claims[:2]] == [{"api": 0.0}] * 2


class Late(Store):
    """One whose next transaction that writes begins once it may."""

    waits: asyncio.Event | None = None

    async def run(self, work: Work[Any], access: Access) -> Any:
        waits, self.waits = (None, self.waits) if access is Access.READ else (self.waits, None)
        if waits is not None:
            await waits.wait()
        return await super().run(work, access)


async def test_a_release_finds_what_a_claim_takes_whose_caller_is_gone(store: Store, tmp_path: Path) -> None:
    (job,) = await store.add([JOB])
    late = Late(tmp_path / "jobs.db")
    await late.open()
    late.waits = begins = asyncio.Event()
    claiming = asyncio.ensure_future(late.claim({"api": 1}, "r"))
    while late.waits:
        await turns(1)
    claiming.cancel()
    await asyncio.wait([claiming])
    releasing = asyncio.ensure_future(late.release("r", keep=()))
    await turns(20)
    begins.set()
    assert await releasing == [job.id]
    await late.close()
