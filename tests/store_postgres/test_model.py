"""The core's stateful model, on a real server."""

import asyncio
import os
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import hypothesis
import pytest

from sp00ky_conformance.model.rules import store_model
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_postgres import PostgresStore

URL = [""]
"""Where the server of this run is: a test case of unittest takes no fixture."""


@pytest.fixture(scope="module", autouse=True)
def _server(dsn: str) -> Iterator[None]:
    URL[0] = f"{dsn}{'&' if '?' in dsn else '?'}schema=sp00ky_model"
    yield

    async def drop() -> None:
        connection = await asyncpg.connect(dsn)
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'sp00ky_model'"
        for row in await connection.fetch(tables):  # at once they are more than a transaction may lock
            await connection.execute(f'DROP TABLE sp00ky_model."{row[0]}"')
        await connection.execute("DROP SCHEMA IF EXISTS sp00ky_model CASCADE")
        await connection.close()

    asyncio.run(drop())


def on_the_server(options: StoreOptions) -> Store:
    return PostgresStore(attrs.evolve(options, url=URL[0]))


SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get("SP00KY_FUZZ", "10")), stateful_step_count=40, deadline=None
)
"""`nox -s fuzz` tries as many as it is told."""

TestPostgresModel = store_model(on_the_server, settings=SETTINGS)
