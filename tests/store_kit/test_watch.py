"""A watch yields what is there, then what has changed; signals of other processes are passed on."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.store_kit.conftest import TABLES, SqliteSession

from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.subscription import Backoff, Broadcast
from sp00ky_store_kit.connection.lanes import Executor
from sp00ky_store_kit.watch import Notifications, Watch


class Watched:
    """A watch on one session, whose signal a test sends."""

    def __init__(self, session: SqliteSession, query: JobQuery, history: int | None = None) -> None:
        async def read(work: Any) -> Any:
            return await work(session)

        self.changes = Broadcast()
        watch = Watch(read, TABLES, query)
        self.jobs: AsyncGenerator[Job, None] = watch.follow(self.changes.subscribe(), history)

    async def next(self, count: int) -> list[str]:
        return [(await anext(self.jobs)).id for _ in range(count)]


class Others:
    """Other processes, which a test has write."""

    def __init__(self) -> None:
        self.written: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.news = 0
        self.away: OSError | None = None  # the database

    def heard(self) -> None:
        self.news += 1

    async def changes(self) -> AsyncGenerator[None, None]:
        while True:
            error = await self.written.get()
            if error is not None:
                raise error
            yield
            self.written.task_done()  # it has been passed on


@pytest.fixture
def others() -> Others:
    return Others()


@pytest.fixture
def notifications(session: SqliteSession, others: Others) -> Notifications:
    async def run(work: Any, _: Any) -> Any:
        if others.away:
            raise others.away
        return await work(session)

    executor = Executor(run, lambda error: error, lambda: "test")
    executor.open()
    return Notifications(others.changes, executor, TABLES, others.heard)


async def test_what_cannot_be_heard_is_tried_again_and_said_once(
    notifications: Notifications,
    others: Others,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Backoff, "next", lambda _: 0.0)
    changed = notifications.changed()
    await anext(changed)
    others.away = OSError("away")
    for heard in (others.away, OSError("still away"), None, None):  # whoever polls hears it then, too
        others.written.put_nowait(heard)
    for _ in range(2):
        await anext(changed)
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1
    await notifications.close()
    with pytest.raises(StopAsyncIteration):
        await anext(changed)
