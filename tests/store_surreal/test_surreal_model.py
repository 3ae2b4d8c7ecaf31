"""The stateful model, beside the memory store."""

from __future__ import annotations

import attrs

from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.testing.model import store_model
from sp00ky_store_surreal import SurrealStore


def make_store(options: StoreOptions) -> Store:
    return SurrealStore(attrs.evolve(options, url="mem://"))


TestSurrealModel = store_model(make_store)
