"""A store whose transactions no cancellation is kept from."""

from __future__ import annotations

import asyncio
from typing import Any

from sp00ky_core.stores.transactional import Access
from sp00ky_store_sqlite import SqliteStore


class Unshielded(SqliteStore):
    """Its transactions are three awaits of a caller that may be cancelled between them."""

    async def run(self, work: Any, access: Access) -> Any:
        lane = self._lanes[access]
        if access is Access.READ:
            return await lane.run(work)
        if lane._session is None:
            lane._session = await asyncio.to_thread(self._connect)
        session = lane._session

        async def statement(text: str) -> None:
            session.connection.execute(text)  # in no thread: a busy machine would change the moment
            await asyncio.sleep(0)

        await statement("BEGIN IMMEDIATE")
        result = await work(session)
        await statement("COMMIT")
        return result

    async def disconnect(self) -> None:
        await super().disconnect()
        for lane in self._lanes.values():
            lane._disconnect()  # which has no thread: closing it left its connection open


async def unshielded(self: Any, work: Any, access: Access, *, claims: bool = False) -> Any:
    return await self._translated(self._run(work, access))
