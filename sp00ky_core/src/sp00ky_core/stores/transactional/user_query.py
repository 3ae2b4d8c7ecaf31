"""Run a user's query, which only reads; what goes wrong is its fault where the database answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.errors import QueryRefused, StoreClosed, StoreError, StoreUnavailable
from sp00ky_core.stores.transactional.connection.lanes import Executor
from sp00ky_core.stores.transactional.connection.session import Access, Session


async def query_rows(executor: Executor, location: str, query: str, limit: int) -> list[Mapping[str, Any]]:
    """Run a query that reads; where the database answers otherwise, an error is the query's."""
    try:
        try:
            return await _query(executor, query, limit)
        except StoreUnavailable:
            await executor.read(_now)
            return await _query(executor, query, limit)
    except StoreClosed:
        raise
    except (StoreError, NotImplementedError, TypeError, ValueError) as error:  # or a value that JSON lacks
        if isinstance(error, StoreUnavailable):
            await executor.read(_now)
        problem = error.problem if isinstance(error, StoreError) else str(error)
        raise QueryRefused(store=location, problem=f"the query is refused: {problem}") from error


async def _query(executor: Executor, query: str, limit: int) -> list[Mapping[str, Any]]:
    rows = await executor.do(lambda session: session.query(query, limit), Access.QUERY)
    objects = [decode(encode(row)) for row in rows]
    if not all(isinstance(row, dict) for row in objects):
        raise TypeError("a row of it is no object")
    return objects


async def _now(session: Session) -> datetime:
    return await session.now()
