"""The reference store keeps every promise of the port."""

from datetime import timedelta

import attrs

from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.memory.store import MemoryStore


class TestMemoryStore(StoreConformance):
    def make_store(self, options: StoreOptions) -> Store:
        return MemoryStore(options)

    async def backdate_beat(self, store: Store, runner_id: str, seconds: float) -> None:
        assert isinstance(store, MemoryStore)
        beat = store._runners[runner_id]
        store._runners[runner_id] = attrs.evolve(beat, beat_at=beat.beat_at - timedelta(seconds=seconds))

    async def backdate_audit(self, store: Store, entry_id: str, seconds: float) -> None:
        assert isinstance(store, MemoryStore)
        entry = store._acts[entry_id]
        store._acts[entry_id] = attrs.evolve(entry, at=entry.at - timedelta(seconds=seconds))

    async def delete_row(self, store: Store, job_id: str) -> None:
        assert isinstance(store, MemoryStore)
        store._tables[table_of(job_id)].remove(job_id)
