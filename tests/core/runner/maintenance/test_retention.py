"""What the database refuses to delete is left for a while."""

import asyncio

from sp00ky_core.errors import StoreError
from sp00ky_core.ports import StoreOptions
from sp00ky_core.stores.memory import MemoryStore


class Unprunable(MemoryStore):
    """A table whose old rows can't be deleted."""

    tries = 0

    async def prune(self, *, limit: int = 1_000, spared: object = ()) -> int:
        self.tries += 1
        raise StoreError(store="memory://", problem="something refers to them")


async def test_what_cant_be_pruned_is_not_tried_again_at_once(make_bench) -> None:
    bench = await make_bench()
    store = Unprunable(StoreOptions(url="memory://", tables=bench.tables))
    async with bench.runner(store, prune_interval=3_600, random=lambda: 0.0) as runner:
        while not store.tries:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.005)
        for _ in range(10):  # rounds
            await runner._beat.next(10)
    assert store.tries == 1
