"""A connection that can keep no receipt is refused, in one line, before the handler has done anything."""

import sqlite3
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import psycopg
import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from tests.receiver.stacks import Place, request

from sp00ky_receiver import ConnectionInvalid, Receiver


def refused(receiver: Receiver, connection: Any) -> str:
    with pytest.raises(ConnectionInvalid) as caught:
        receiver.once(connection, receiver.verify(request())).__enter__()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def refused_async(receiver: Receiver, connection: Any) -> str:
    with pytest.raises(ConnectionInvalid) as caught:
        await receiver.once(connection, receiver.verify(request())).__aenter__()
    assert "\n" not in str(caught.value)
    return str(caught.value)


AUTOCOMMIT = "outside a transaction (autocommit)"


def test_autocommit_is_refused(place: Place, receiver: Receiver) -> None:
    with psycopg.connect(place.postgres, autocommit=True) as connection:
        assert AUTOCOMMIT in refused(receiver, connection)
        with connection.transaction(), receiver.once(connection, receiver.verify(request())) as receipt:
            assert not receipt.is_repeated
            receipt.keep(receiver.body_too_long().answer())
    file = sqlite3.connect(place.sqlite, isolation_level=None)
    assert AUTOCOMMIT in refused(receiver, file)
    file.close()
    engine = create_engine(
        place.with_driver("psycopg"), poolclass=NullPool, execution_options={"isolation_level": "AUTOCOMMIT"}
    )
    with engine.connect() as alchemy:
        assert AUTOCOMMIT in refused(receiver, alchemy)


async def test_a_closed_connection_is_refused(place: Place, receiver: Receiver) -> None:
    with psycopg.connect(place.postgres) as connection:
        pass
    assert refused(receiver, connection) == "connection: it is closed; give an open one"
    async with await psycopg.AsyncConnection.connect(place.postgres) as other:
        pass
    assert "it is closed" in await refused_async(receiver, other)
    third = await asyncpg.connect(place.postgres)
    await third.close()
    assert "it is closed" in await refused_async(receiver, third)
    lite = sqlite3.connect(place.sqlite)
    lite.close()
    assert "it is closed" in refused(receiver, lite)


async def test_a_missing_table_says_what_to_run(place: Place, receiver: Receiver) -> None:
    said = "connection: its database has no table sp00ky_receipt; run the statements of table_statements("
    place.drop()
    for url in (place.with_driver("psycopg"), f"sqlite:///{place.sqlite}"):
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as alchemy:
            assert said in refused(receiver, alchemy)
            alchemy.rollback()
            assert said in refused(receiver, alchemy.connection.driver_connection)
    other = create_async_engine(place.with_driver("asyncpg"), poolclass=NullPool)
    async with other.connect() as alchemy_async:
        assert said in await refused_async(receiver, alchemy_async)
    raw = await asyncpg.connect(place.postgres)
    assert said in await refused_async(receiver, raw)
    await raw.close()
