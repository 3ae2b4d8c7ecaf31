"""The stateful model, beside the memory store, on both embedded engines."""

import os

import attrs
import hypothesis

from sp00ky_conformance.model.rules import store_model
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_surreal import SurrealStore

SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get("SP00KY_FUZZ", "8")), stateful_step_count=40, deadline=None
)
"""An example takes a second here; `nox -s fuzz` tries as many as it is told."""


def in_memory(options: StoreOptions) -> Store:
    return SurrealStore(attrs.evolve(options, url="mem://"))


def in_a_file(options: StoreOptions) -> Store:
    return SurrealStore(attrs.evolve(options, url="surrealkv://jobs.db"))


TestMemoryModel = store_model(in_memory, settings=SETTINGS)
TestFileModel = store_model(in_a_file, settings=SETTINGS)
