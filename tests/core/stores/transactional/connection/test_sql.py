"""The primitives as SQL: definitions, conditions, encoders, savepoints."""

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from tests.core.stores.transactional.connection.conftest import TABLE, Session, refused

from sp00ky_core.job.job import JobStatus
from sp00ky_core.stores.transactional import BlockingLane, Both, Either, Is, WriterGate
from sp00ky_core.stores.transactional.rows import ORDERED, UNORDERED
from sp00ky_core.stores.transactional.schema import LIVE_STATUSES, job_table

JOB = job_table("job")


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

    async def test_many_rows_are_updated_in_few_statements(
        self, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await session.insert(TABLE, [{"id": str(n), "n": n, "note": "a"} for n in range(250)])
        asked: list[str] = []
        execute = Session.execute

        async def noted(self: Session, text: str, parameters: Any = ()) -> Any:
            asked.append(text)
            return await execute(self, text, parameters)

        monkeypatch.setattr(Session, "execute", noted)
        updates: list[Any] = [
            ([Is("id", "=", str(n)), Is("n", "=", n)], {"note": f"b{n}"}) for n in range(248)
        ]
        updates += [([Is("id", "=", "248"), Is("n", "=", 1)], {"note": "no"})]
        updates += [([Is("id", "=", "249"), Is("n", "=", 249)], {"n": 1_000, "note": "c"})]
        assert await session.update_many(TABLE, updates) == 249
        assert len(asked) == 4
        rows = {row["id"]: (row["n"], row["note"]) for row in await session.select(TABLE)}
        assert rows == {str(n): (n, f"b{n}") for n in range(248)} | {"248": (248, "a"), "249": (1_000, "c")}

    async def test_long_texts_are_updated_in_statements_of_their_own(
        self, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sp00ky_core.stores.transactional.connection.sql.MOST_CHARACTERS", 10)
        await session.insert(TABLE, [{"id": key, "n": n} for n, key in enumerate("abc")])
        updates: list[Any] = [([Is("id", "=", key)], {"note": key * 6}) for key in "abc"]
        assert await session.update_many(TABLE, updates) == 3
        assert [row["note"] for row in await session.select(TABLE, order=("id",))] == [
            "aaaaaa",
            "bbbbbb",
            "cccccc",
        ]

    async def test_a_savepoint_that_is_gone_hides_no_error(self, session: Session) -> None:
        await session.execute("BEGIN")
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block raises
            async with session.savepoint():
                await session.execute("ROLLBACK")  # as a deadlock does
                raise ZeroDivisionError


class WholeSession(Session):
    partial_indexes = False


class TestWholeIndexes:
    """A database whose indexes hold all rows."""

    @pytest.fixture
    def whole(self, session: Session) -> WholeSession:
        return WholeSession(session.connection, refused)

    @pytest.mark.parametrize(
        ("where", "order", "index"),
        [
            ([Is("status", "in", LIVE_STATUSES), Is("dedup_key", "=", "k")], (), "dedup"),
            ([*ORDERED, Is("ordering_key", ">", "k")], ("ordering_key", "ordering_at", "id"), "ordering"),
            ([*UNORDERED, Is("priority", "=", 0)], ("run_at", "id"), "claim"),
            ([Is("status", "!=", JobStatus.PROCESSING), Is("lease_until", ">", "A")], (), "leased"),
        ],
    )
    async def test_rows_are_asked_for_by_the_copy_that_is_indexed(
        self, whole: WholeSession, monkeypatch: pytest.MonkeyPatch, where: Any, order: Any, index: str
    ) -> None:
        table = whole.fitted(JOB)
        await whole.define(whole.definition(table))
        for made in table.indexes:
            await whole.define(whole.definition(table, made))
        asked: list[Any] = []

        async def noted(text: str, parameters: Any = ()) -> Any:
            asked.extend([text, parameters])
            return [], 0

        monkeypatch.setattr(whole, "execute", noted)
        assert await whole.select(JOB, where, order=order, columns=["id"]) == []
        plan = whole.connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}", asked[1]).fetchall()
        assert f"job_{index}_idx" in str(plan)
        assert "TEMP B-TREE" not in str(plan)


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
