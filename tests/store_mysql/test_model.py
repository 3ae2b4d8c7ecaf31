"""The core's stateful model, on a server."""

from itertools import count
from typing import Any

import attrs
import pytest
from tests.store_mysql.conftest import run, url_of

from sp00ky_conformance.model.rules import store_model
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_mysql import MysqlStore

PREFIX = f"model_{new_key()[-12:]}"

numbers = count()


def on_a_server(options: StoreOptions) -> Store:
    database = f"{PREFIX}_{next(numbers)}"
    run("none", f"CREATE DATABASE `{database}`")
    return MysqlStore(attrs.evolve(options, url=url_of(database)))


@pytest.fixture(autouse=True, scope="module")
def _databases(server: str) -> Any:
    yield
    for (name,) in run("none", "SELECT schema_name FROM information_schema.schemata"):
        if name.startswith(PREFIX):
            run("none", f"DROP DATABASE `{name}`")


TestMysqlModel = store_model(on_a_server)
