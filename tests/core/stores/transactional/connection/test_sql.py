"""The primitives as SQL: definitions, conditions, encoders, savepoints."""

from typing import Any

import pytest
from tests.core.stores.transactional.connection.conftest import TABLE, Session

from sp00ky_core.errors import RowRefused
from sp00ky_core.stores.transactional import Both, Either, Is


class TestSql:
    async def test_rows_come_back_through_encoders_and_defaults(self, session: Session) -> None:
        await session.insert(TABLE, [{"n": 1, "note": "a"}, {"n": 2, "note": None}])
        await session.insert(TABLE, [{"n": 3}])
        assert await session.select(TABLE, order=("n",), columns=("n", "note")) == [
            {"n": 1, "note": "a"},
            {"n": 2, "note": None},
            {"n": 3, "note": "it's"},
        ]
        raw, _ = await session.execute('SELECT note FROM "we""ird" WHERE n = 1')
        assert list(raw) == [("A",)]

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            ([], [1, 2, 3]),
            ([Is("n", ">=", 2), Is("n", "<", 3)], [2]),
            ([Is("n", "in", (1, 3))], [1, 3]),
            ([Is("n", "in", ())], []),
            ([Is("n", "not in", ())], [1, 2, 3]),
            ([Is("note", "=", None)], [2]),
            ([Is("note", "!=", None)], [1, 3]),
            ([Either((Is("n", "=", 1), Both((Is("n", ">", 1), Is("note", "=", None)))))], [1, 2]),
            ([Is("note", "=", "'; DROP TABLE x; --")], []),
        ],
    )
    async def test_conditions(self, session: Session, where: Any, found: list[int]) -> None:
        await session.insert(TABLE, [{"n": 1, "note": "a"}, {"n": 2, "note": None}, {"n": 3, "note": "c"}])
        rows = await session.select(TABLE, where, order=("n",), columns=("n",))
        assert [row["n"] for row in rows] == found
        assert await session.count(TABLE, where) == len(found)
        assert await session.update(TABLE, where, {"note": "z"}) == len(found)
        if where:
            await session.delete(TABLE, [Is("note", "=", "z")])
            assert await session.count(TABLE) == 3 - len(found)

    async def test_a_savepoint_undoes_its_block_alone(self, session: Session) -> None:
        await session.execute("BEGIN")
        await session.insert(TABLE, [{"id": "a"}])
        with pytest.raises(RowRefused, match="UNIQUE"):
            async with session.savepoint():
                await session.insert(TABLE, [{"id": "b"}, {"id": "a"}])
        await session.execute("COMMIT")
        assert [row["id"] for row in await session.select(TABLE)] == ["a"]
