"""The reference store keeps every promise of the port."""

from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.testing.store import StoreConformance


class TestMemoryStore(StoreConformance):
    def make_store(self, options: StoreOptions) -> Store:
        return MemoryStore(options)
