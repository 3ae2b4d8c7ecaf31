"""Publishing in a caller's transaction, from asynchronous and from blocking code."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
from tests.webhooks.conftest import FILE, SETTINGS, Bench

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.sync import SyncOutbox
from sp00ky_webhooks import SyncWebhooks, Webhooks


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    from tests.webhooks.conftest import new_postgres_database  # noqa: PLC0415  # beside its fixture

    return new_postgres_database(request)


@pytest.fixture(params=["sqlite", "postgres"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SyncOutbox, Any]]:
    """A blocking outbox with an endpoint, and what makes a connection in a transaction."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/jobs.db"
    else:
        url = request.getfixturevalue("postgres_url")
    file = tmp_path / "sp00ky.yml"
    file.write_text(FILE.format(store=url, settings=SETTINGS))
    with SyncOutbox.open(file) as outbox:
        outbox.do(lambda outbox: outbox.migrate())
        outbox.do(
            lambda outbox: outbox.extension(Webhooks).endpoints.create(id="one", url="http://127.0.0.1:8000/")
        )

        def connect() -> Any:
            if request.param == "postgres":
                return psycopg.connect(url)
            return closing(sqlite3.connect(tmp_path / "jobs.db"))

        yield outbox, connect


def test_deliveries_are_there_when_the_callers_transaction_commits(outbox: tuple[SyncOutbox, Any]) -> None:
    sync, connect = outbox
    webhooks = SyncWebhooks(sync)
    with connect() as connection:
        connection.execute("DELETE FROM webhook WHERE 1 = 0")  # sqlite3 begins a transaction by a write
        event = webhooks.publish("a", {"n": 1}, connection=connection, event_id="evt_1")
        assert sync.do(lambda outbox: outbox.extension(Webhooks).deliveries("one")) == []
        connection.commit()
    (job,) = sync.do(lambda outbox: outbox.extension(Webhooks).deliveries("one"))
    assert event.deliveries == (job.id,)
    assert webhooks.publish("a", {"n": 1}, event_id="evt_1").deliveries == (job.id,)
    with pytest.raises(OptionInvalid):
        webhooks.publish("A!", {})


def test_nothing_is_there_when_it_rolls_back(outbox: tuple[SyncOutbox, Any]) -> None:
    sync, connect = outbox
    with connect() as connection:
        connection.execute("DELETE FROM webhook WHERE 1 = 0")
        SyncWebhooks(sync).publish("a", {}, connection=connection)
        connection.rollback()
    assert sync.do(lambda outbox: outbox.extension(Webhooks).deliveries("one")) == []


async def test_asynchronous_connections_join_too(make_bench: Any, postgres_url: str) -> None:
    bench: Bench = await make_bench(postgres_url)
    await bench.webhooks.endpoints.create(id="one", url="http://127.0.0.1:8000/")
    connection = await asyncpg.connect(postgres_url)
    try:
        async with connection.transaction():
            await bench.webhooks.publish("a", {}, connection=connection)
            assert await bench.webhooks.deliveries("one") == []
        assert len(await bench.webhooks.deliveries("one")) == 1
    finally:
        await connection.close()
