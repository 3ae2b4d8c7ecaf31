"""A call that is cancelled ends what the server does for it, and leaves no lock and no transaction."""

import asyncio
from typing import Any

import pytest
from tests.store_mysql.conftest import new_job, run

from sp00ky_core.ports import JobQuery
from sp00ky_store_mysql import MysqlStore

WITHIN = 60.0
"""Seconds in which the server has ended it; by itself it would go on for longer."""


@pytest.fixture(autouse=True)
def _locks_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sp00ky_store_mysql.store.SETTINGS", "SET SESSION innodb_lock_wait_timeout = 600")


def threads(database: str, what: str = "") -> list[int]:
    """The threads of the server, or those that run such a statement."""
    others = "SELECT id FROM information_schema.processlist WHERE id <> connection_id()"
    rows = run("none", f"{others} AND db = %s AND coalesce(info, '') LIKE %s", (database, f"%{what}%"))
    return [thread for (thread,) in rows]


async def appears(database: str, what: str) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(threads, database, what):  # noqa: ASYNC110  # another process's
            await asyncio.sleep(0.01)


async def is_gone(database: str, what: str) -> None:
    async with asyncio.timeout(WITHIN):
        while await asyncio.to_thread(threads, database, what):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_query_ends_on_the_server(store: MysqlStore, database: str) -> None:
    asking = asyncio.create_task(store.query_rows("SELECT sleep(120)"))
    await appears(database, "sleep(120)")
    await cancelled(asking)
    await is_gone(database, "sleep(120)")
    assert await store.query_rows("SELECT 1 AS one") == [{"one": 1}]


async def test_what_waits_for_a_lock_ends_on_the_server(
    store: MysqlStore, database: str, connection: Any
) -> None:
    (held,) = store.add_in(connection, [new_job(dedup_key="k")])
    adding = asyncio.create_task(store.add([new_job(dedup_key="k"), new_job()]))
    await appears(database, "INSERT INTO `job`")
    await cancelled(adding)
    await is_gone(database, "INSERT INTO `job`")
    connection.commit()
    assert [job.id for job in await store.find(JobQuery())] == [held.id]
    assert await store.add([new_job(dedup_key="k")]) == [held]


async def test_many_that_are_cancelled_leave_no_connection_behind(store: MysqlStore, database: str) -> None:
    for _ in range(20):
        calls = [asyncio.create_task(store.add([new_job()])) for _ in range(6)]
        await asyncio.sleep(0.001)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await store.add([new_job()])
    await store.beat("r")
    jobs = await store.claim({"api": 1_000}, "r")
    assert len(jobs) == (await store.stats())["api"].processing
    async with asyncio.timeout(WITHIN):
        while len(threads(database)) > 8:  # noqa: ASYNC110  # those of cancelled calls end soon
            await asyncio.sleep(0.01)
