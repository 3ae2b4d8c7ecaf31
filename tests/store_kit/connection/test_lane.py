"""Transactions on connections that are awaited: which are begun again, replaced, and given up."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_store_kit import AsyncLane, AsyncSession


class Cursor:
    """Notes what it is asked, and fails as its connection says."""

    description = (("one",),)
    rowcount = 1

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection

    async def __aenter__(self) -> "Cursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def execute(self, text: str, *parameters: Any) -> None:
        self.connection.asked.append(text)
        await self.connection.answer(text)

    async def fetchall(self) -> list[tuple[int]]:
        return [(1,)]

    async def fetchmany(self, limit: int) -> list[tuple[int]]:
        return [(number,) for number in range(limit)]


class Connection:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.closed = False
        self.waiting = asyncio.Event()

    def cursor(self) -> Cursor:
        return Cursor(self)

    async def answer(self, text: str) -> None:
        if self.closed or text in self.failing:
            raise OSError("lost")
        if text in self.silent:
            await asyncio.Event().wait()
        if text == "WAIT":
            try:
                await self.waiting.wait()
            except asyncio.CancelledError:
                self.closed = True  # as drivers do: its answer would be another statement's
                raise

    async def close(self) -> None:
        self.closed = True


class Session(AsyncSession):
    """A session of which no primitive but ``execute`` is asked."""

    abandoned = False
    at_work: Callable[[], bool] | None = None
    now = columns_of = indexes_of = None  # type: ignore[assignment]

    async def is_at_work(self) -> bool:
        return await super().is_at_work() if self.at_work is None else self.at_work()

    async def abandon(self) -> None:
        self.abandoned = True


@pytest.fixture
def sessions() -> list[Session]:
    """All that were connected."""
    return []


@pytest.fixture
def connect(sessions: list[Session]) -> Callable[[], Any]:
    async def connect() -> Session:
        sessions.append(Session(Connection(), lambda error: error))
        return sessions[-1]

    return connect


def asking(text: str) -> Callable[[Any], Any]:
    return lambda session: session.execute(text)


class TestAsyncLane:
    async def test_transactions_follow_one_another_on_a_connection(
        self, connect: Any, sessions: list[Session]
    ) -> None:
        lane = AsyncLane(connect, "BEGIN")
        assert await lane.run(asking("1")) == ([(1,)], 1)
        with pytest.raises(ZeroDivisionError):
            await lane.run(_fail)
        assert sessions[0].connection.asked == ["BEGIN", "1", "COMMIT", "BEGIN", "ROLLBACK"]
        await lane.close()
        assert sessions[0].connection.closed
        assert len(sessions) == 1

    async def test_a_connection_that_cannot_begin_is_replaced(
        self, connect: Any, sessions: list[Session]
    ) -> None:
        lane = AsyncLane(connect, "BEGIN")
        await lane.run(asking("1"))
        sessions[0].connection.closed = True
        await lane.run(asking("2"))
        assert sessions[0].abandoned
        assert sessions[1].connection.asked == ["BEGIN", "2", "COMMIT"]

    async def test_a_conflict_is_done_again_and_other_errors_are_not(
        self, connect: Any, sessions: list[Session]
    ) -> None:
        tries: list[int] = []

        async def conflicting(_session: Any) -> int:
            tries.append(1)
            if len(tries) < 3:
                raise StoreUnavailable(store="test", problem="deadlock")
            return len(tries)

        lane = AsyncLane(connect, "BEGIN", conflicts=lambda error: isinstance(error, StoreUnavailable))
        assert await lane.run(conflicting) == 3
        with pytest.raises(ZeroDivisionError):
            await lane.run(_fail)
        assert sessions[0].connection.asked.count("ROLLBACK") == 3

    async def test_a_conflict_that_lasts_is_raised(self, connect: Any) -> None:
        lane = AsyncLane(connect, "BEGIN", conflicts=lambda _: True)
        with pytest.raises(ZeroDivisionError):
            await lane.run(_fail)

    async def test_what_is_cancelled_in_a_call_is_abandoned(
        self, connect: Any, sessions: list[Session]
    ) -> None:
        lane = AsyncLane(connect, "BEGIN")
        await _cancelled(lane, "WAIT")
        assert sessions[0].abandoned
        await lane.run(asking("1"))
        assert len(sessions) == 2

    async def test_what_waits_is_doubted_and_given_up_once_its_server_is_not_at_work(
        self, connect: Any, sessions: list[Session]
    ) -> None:
        lane = AsyncLane(connect, "BEGIN", size=2, doubted_after=0.01)
        for idle in await asyncio.gather(lane.run(_idle), lane.run(_idle)):
            idle.at_work = iter((True, True, False)).__next__
        waiting = asyncio.create_task(lane.run(asking("WAIT")))
        with pytest.raises(TimeoutError):
            await waiting
        used, unused = sorted(sessions, key=lambda session: session.abandoned, reverse=True)
        assert (used.abandoned, unused.abandoned, unused.connection.closed) == (True, False, True)
        assert used.connection.asked[-2:] == ["WAIT", "ROLLBACK"]
        await lane.run(asking("1"))
        assert len(sessions) == 3


async def _idle(session: Any) -> Any:
    """Take a connection while others do."""
    await asyncio.sleep(0)
    return session


async def _cancelled(lane: AsyncLane, text: str) -> None:
    """Cancel who asks this, once nothing moves any more."""
    running = asyncio.create_task(lane.run(asking(text)))
    for _ in range(20):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def _fail(_session: Any) -> None:
    raise ZeroDivisionError


async def test_a_query_has_names_and_ends_in_time(
    connect: Any, sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await connect()
    assert await session.query("SELECT one", 2) == [{"one": 0}, {"one": 1}]
    monkeypatch.setattr("sp00ky_store_kit.connection.lanes.QUERY_SECONDS", 0.01)
    with pytest.raises(ValueError, match="takes longer than 0 seconds"):
        await session.query("WAIT", 2)
