"""Give a store's tables of schedules, past an outbox."""

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from sp00ky_core.ports import Store, TransactionWork
from sp00ky_schedules.tables import ScheduleTables

T = TypeVar("T")


@attrs.frozen
class StoreSource:
    """What of an extension's context the tables need."""

    store: Store

    @property
    def location(self) -> str:
        return self.store.location

    async def transact(self, work: TransactionWork[T]) -> T:
        return await self.store.transact(work)

    async def read(self, work: TransactionWork[T]) -> T:
        return await self.store.read_tables(work)

    async def query(self, query: str, *, limit: int) -> list[Mapping[str, Any]]:
        return await self.store.query_rows(query, limit=limit)


def schedules_of(store: Store) -> ScheduleTables:
    """Return the schedules that a store keeps."""
    return ScheduleTables(StoreSource(store))
