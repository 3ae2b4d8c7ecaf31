"""Queries of schedules: what the base class makes of rows, and of what a query can't be."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import QueryRefused, StoreClosed
from sp00ky_core.stores.memory.store import MemoryStore


async def test_no_more_rows_are_read_than_are_asked_for(memory_store: MemoryStore) -> None:
    rows = await memory_store.query_rows('[{"id": 1}, {"id": 2}, {"id": 3}]', limit=2)
    assert rows == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("query", ["SELECT 1", '[{"id": 1}, 2]', '{"id": 1}'])
async def test_what_makes_no_objects_is_refused_by_name(memory_store: MemoryStore, query: str) -> None:
    with pytest.raises(QueryRefused, match=r"the query is refused: .") as refused:
        await memory_store.query_rows(query)
    assert refused.value.store == memory_store.location


async def test_a_closed_store_refuses_no_query(memory_store: MemoryStore) -> None:
    await memory_store.close()
    with pytest.raises(StoreClosed):
        await memory_store.query_rows("[]")
