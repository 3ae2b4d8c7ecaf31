"""The core's stateful model, on a file."""

from itertools import count

import attrs

from sp00ky_conformance.model.rules import store_model
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_sqlite import SqliteStore

numbers = count()


def on_a_file(options: StoreOptions) -> Store:
    return SqliteStore(attrs.evolve(options, url=f"sqlite:///model-{next(numbers)}.db"))


TestSqliteModel = store_model(on_a_file)
