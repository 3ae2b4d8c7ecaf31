"""The stateful model, beside the memory store, on both embedded engines."""

from __future__ import annotations

import attrs

from sp00ky_conformance.model.rules import store_model
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_surreal import SurrealStore


def in_memory(options: StoreOptions) -> Store:
    return SurrealStore(attrs.evolve(options, url="mem://"))


def in_a_file(options: StoreOptions) -> Store:
    return SurrealStore(attrs.evolve(options, url="surrealkv://jobs.db"))


TestMemoryModel = store_model(in_memory)
TestFileModel = store_model(in_a_file)
