"""A connection that can keep no receipt is refused, in one line, before the handler has done anything."""

from __future__ import annotations

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


async def test_autocommit_is_refused_async(place: Place, receiver: Receiver) -> None:
    connection = await asyncpg.connect(place.postgres)
    assert AUTOCOMMIT in await refused_async(receiver, connection)
    await connection.close()
    async with await psycopg.AsyncConnection.connect(place.postgres, autocommit=True) as other:
        assert AUTOCOMMIT in await refused_async(receiver, other)
    engine = create_async_engine(
        place.with_driver("asyncpg"), poolclass=NullPool, execution_options={"isolation_level": "AUTOCOMMIT"}
    )
    async with engine.connect() as alchemy:
        assert AUTOCOMMIT in await refused_async(receiver, alchemy)


async def test_other_connections_are_refused(place: Place, receiver: Receiver) -> None:
    said = refused(receiver, object())
    assert said == (
        "connection: expected a psycopg Connection, a SQLAlchemy Connection or Session, or a sqlite3 "
        "Connection, not one of type builtins.object; with an asynchronous one write `async with`"
    )
    file = sqlite3.connect(place.sqlite)
    assert "with one that blocks write `with`" in await refused_async(receiver, file)
    file.close()
