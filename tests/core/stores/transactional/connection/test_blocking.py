"""Transactions on blocking connections, each in a thread of its own."""

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from tests.core.stores.transactional.connection.conftest import Session, refused

from sp00ky_core.stores.transactional import BlockingLane, WriterGate


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

    async def test_what_raises_is_rolled_back(self, lane: BlockingLane) -> None:
        async def create(session: Any) -> None:
            await session.define("CREATE TABLE a (b)")
            raise ZeroDivisionError

        async def read(session: Any) -> int:
            return len((await session.execute("SELECT * FROM sqlite_master"))[0])

        with pytest.raises(ZeroDivisionError):
            await lane.run(create)
        assert await lane.run(read) == 0

    async def test_a_lost_connection_is_replaced(self, lane: BlockingLane, connections: list[Any]) -> None:
        async def one(session: Any) -> int:
            return int((await session.execute("SELECT 1"))[0][0][0])

        assert await lane.run(one) == 1
        connections[0].close()
        assert await lane.run(one) == 1
        assert len(connections) == 2

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
            for each in threads:
                each.start()
            waiting.wait()
            while gate._hurrying == 0:
                threading.Event().wait(0.001)
        for each in threads:
            each.join()
        assert order == ["beat", "settle"]
