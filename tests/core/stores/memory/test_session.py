"""A transaction of the memory store is undone as a whole, or from a savepoint on."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.stores.memory.session import MemorySession, Tables
from sp00ky_core.stores.transactional import Is
from sp00ky_core.stores.transactional.schema.definition import job_table
from sp00ky_core.testing import FakeClock

TABLE = job_table("job")
ONE = [Is("id", "=", "1")]


@pytest.fixture
def session() -> MemorySession:
    return MemorySession(Tables(FakeClock().now))


async def ids(session: MemorySession, **values: Any) -> list[str]:
    where = [Is(name, "=", value) for name, value in values.items()]  # type: ignore[arg-type]
    return [each["id"] for each in await session.select(TABLE, where, order=("-id",))]


async def test_columns_that_are_left_out_have_their_defaults(session: MemorySession) -> None:
    await session.insert(TABLE, [{"id": "1", "path": "/a"}])
    (row,) = await session.select(TABLE)
    assert (row["status"], row["run_at"], row["timeout"]) == ("pending", await session.now(), None)
    assert await session.columns_of(TABLE) == row.keys()


async def change_much(session: MemorySession) -> None:
    async with session.savepoint():
        assert await session.update(TABLE, ONE, {"status": "failed"}) == 1
        assert await session.delete(TABLE, [Is("id", "=", "2")]) == 1
        assert await ids(session, status="failed") == ["1"]
        await session.insert(TABLE, [{"id": "1"}])


async def test_what_a_savepoint_undoes_leaves_no_entry_of_an_index(session: MemorySession) -> None:
    await session.insert(TABLE, [{"id": "1"}, {"id": "2"}])
    with pytest.raises(RowRefused, match="has a row 1"):
        await change_much(session)
    assert await ids(session, status="pending") == ["2", "1"]
    assert await ids(session, status="failed") == []
    session.roll_back()
    assert await session.count(TABLE) == 0


async def test_a_unique_value_is_refused_and_nothing_of_the_row_is_left(session: MemorySession) -> None:
    await session.insert(TABLE, [{"id": "1", "dedup_key": "k"}])
    with pytest.raises(RowRefused, match="unique"):
        await session.insert(TABLE, [{"id": "2", "dedup_key": "k"}])
    assert await ids(session, status="pending") == ["1"]
    await session.update(TABLE, ONE, {"status": "success"})
    await session.insert(TABLE, [{"id": "2", "dedup_key": "k"}])
    assert await ids(session) == ["2", "1"]
