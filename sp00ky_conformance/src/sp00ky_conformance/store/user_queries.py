"""``query_rows``: a user's query reads, and does nothing else."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import json

import pytest

from sp00ky_conformance.store.harness import StoreHarness, needs
from sp00ky_core.errors import CallUnsupported, QueryRefused
from sp00ky_core.ports import Store, StoreOptions

__all__ = ["QueryConformance"]


MOST = 100


class QueryConformance(StoreHarness):
    """The rows of a query are JSON objects; what doesn't only read is refused."""

    async def query(self, store: Store, options: StoreOptions, what: str) -> str | None:
        """Return a query of a kind; None: there is none in the store's language."""
        for path, retries in (("/a", 1), ("/b", 2)):
            await self.add(store, path=path, max_retries=retries)
        try:
            return self.query_of(store, options.tables[0].table, what)
        except CallUnsupported:
            return None

    @needs("query_of")
    async def test_its_rows_are_json_objects(self, store: Store, options: StoreOptions) -> None:
        query = await self.query(store, options, "rows") or ""
        rows = await store.query_rows(query, limit=MOST)
        assert rows == [{"path": "/a", "max_retries": 1}, {"path": "/b", "max_retries": 2}]
        assert json.loads(json.dumps(rows)) == rows

    @needs("query_of")
    async def test_it_gives_so_many_rows_at_most(self, store: Store, options: StoreOptions) -> None:
        query = await self.query(store, options, "rows") or ""
        rows = await store.query_rows(query, limit=1)
        assert [row["path"] for row in rows] == ["/a"]

    @needs("query_of")
    async def test_it_is_refused_where_it_writes(self, store: Store, options: StoreOptions) -> None:
        query = await self.query(store, options, "write")
        if query is not None:
            with pytest.raises(QueryRefused):
                await store.query_rows(query, limit=MOST)
        assert (await store.stats())["api"].pending == 2

    @needs("query_of")
    async def test_it_is_refused_where_it_is_wrong(self, store: Store, options: StoreOptions) -> None:
        query = await self.query(store, options, "wrong") or ""
        with pytest.raises(QueryRefused):
            await store.query_rows(query, limit=MOST)
        rows = self.query_of(store, options.tables[0].table, "rows")
        assert await store.query_rows(rows, limit=MOST)

    @needs("query_of")
    async def test_it_ends_after_a_while(self, store: Store, options: StoreOptions) -> None:
        query = await self.query(store, options, "slow")
        if query is not None:
            with pytest.raises(QueryRefused):
                await store.query_rows(query, limit=MOST)
        assert (await store.stats())["api"].pending == 2
