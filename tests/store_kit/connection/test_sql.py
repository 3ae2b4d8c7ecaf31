"""The primitives as SQL: definitions, conditions, encoders, savepoints."""

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from tests.store_kit.connection.conftest import TABLE, Session, refused

from sp00ky_store_kit import BlockingLane, Both, Either, Is, WriterGate


class TestSql:
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

    async def test_updates_that_differ_in_their_values_are_one_statement(
        self, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await session.insert(TABLE, [{"id": str(n), "n": n, "note": "a"} for n in range(250)])
        asked: list[str] = []

        def noted(name: str) -> Any:
            original = getattr(Session, name)

            async def run(self: Session, text: str, parameters: Any = ()) -> Any:
                asked.append(text)
                return await original(self, text, parameters)

            return run

        for name in ("execute", "execute_many"):
            monkeypatch.setattr(Session, name, noted(name))
        updates: list[Any] = [
            ([Is("id", "=", str(n)), Is("n", "=", n)], {"note": f"b{n}"}) for n in range(247)
        ]
        updates += [([Is("id", "=", "247"), Is("note", "=", None)], {"note": "no"})]
        updates += [([Is("id", "=", "248"), Is("n", "in", (1, 248))], {"note": None})]
        updates += [([Is("id", "=", "249"), Is("n", "in", (1, 2))], {"note": "no"})]
        assert await session.update_many(TABLE, updates) == 248
        assert len(asked) == 4
        rows = {row["id"]: row["note"] for row in await session.select(TABLE)}
        assert rows == {str(n): f"b{n}" for n in range(247)} | {"247": "a", "248": None, "249": "a"}

    async def test_a_savepoint_that_is_gone_hides_no_error(self, session: Session) -> None:
        await session.execute("BEGIN")
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block raises
            async with session.savepoint():
                await session.execute("ROLLBACK")  # as a deadlock does
                raise ZeroDivisionError


class TestLane:
    @pytest.fixture
    def connections(self) -> list[sqlite3.Connection]:
        return []

    @pytest.fixture
    async def lane(self, tmp_path: Any, connections: list[sqlite3.Connection]) -> Any:
        def connect() -> Session:
            path = tmp_path / "lane.db"
            connections.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
            return Session(connections[-1], refused)

        lane = BlockingLane(connect, "BEGIN IMMEDIATE")
        yield lane
        await lane.close()

    async def test_work_that_waits_for_something_else_is_refused(self, lane: BlockingLane) -> None:
        async def dawdle(_session: Any) -> None:
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="besides its session"):
            await lane.run(dawdle)

    def test_those_in_a_hurry_pass_first(self) -> None:
        gate, order = WriterGate(), list[str]()
        waiting = threading.Barrier(3)

        def write(name: str, *, hurry: bool) -> None:
            waiting.wait()
            with gate.passed(hurry=hurry):
                order.append(name)

        with gate.passed():
            threads = [
                threading.Thread(target=write, args=(name,), kwargs={"hurry": name == "beat"})
                for name in ("settle", "beat")
            ]
            for thread in threads:
                thread.start()
            waiting.wait()
            while gate._hurrying == 0:
                threading.Event().wait(0.001)
        for thread in threads:
            thread.join()
        assert order == ["beat", "settle"]
