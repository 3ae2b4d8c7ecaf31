"""Many rows in few statements, on SQLite: any database takes a CASE."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest
from tests.store_kit.connection.conftest import TABLE, Session, refused

from sp00ky_store_kit import Is
from sp00ky_store_mysql.updates import UpdatesByCase


class CaseSession(UpdatesByCase, Session):
    """A session whose updates are of this kind."""


@pytest.fixture
async def session() -> AsyncIterator[CaseSession]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        session = CaseSession(connection, refused)
        await session.define(session.definition(TABLE))
        yield session


async def test_many_rows_are_updated_in_few_statements(
    session: CaseSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await session.insert(TABLE, [{"id": str(n), "n": n, "note": "a"} for n in range(250)])
    asked: list[str] = []
    execute = CaseSession.execute

    async def noted(self: Any, text: str, parameters: Any = ()) -> Any:
        asked.append(text)
        return await execute(self, text, parameters)

    monkeypatch.setattr(CaseSession, "execute", noted)
    updates: list[Any] = [([Is("id", "=", str(n)), Is("n", "=", n)], {"note": f"b{n}"}) for n in range(248)]
    updates += [([Is("id", "=", "248"), Is("n", "=", 1)], {"note": "no"})]
    updates += [([Is("id", "=", "249"), Is("n", "=", 249)], {"n": 1_000, "note": "c"})]
    assert await session.update_many(TABLE, updates) == 249
    assert len(asked) == 4
    rows = {row["id"]: (row["n"], row["note"]) for row in await session.select(TABLE)}
    assert rows == {str(n): (n, f"b{n}") for n in range(248)} | {"248": (248, "a"), "249": (1_000, "c")}


async def test_long_texts_are_updated_in_statements_of_their_own(
    session: CaseSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_store_mysql.updates.MOST_CHARACTERS", 10)
    await session.insert(TABLE, [{"id": key, "n": n} for n, key in enumerate("abc")])
    updates: list[Any] = [([Is("id", "=", key)], {"note": key * 6}) for key in "abc"]
    assert await session.update_many(TABLE, updates) == 3
    assert [row["note"] for row in await session.select(TABLE, order=("id",))] == [
        "aaaaaa",
        "bbbbbb",
        "cccccc",
    ]
