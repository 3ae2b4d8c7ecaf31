"""How many statements a claim and a settle take; and what they do beside other transactions."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncmy.connection import Connection
from tests.store_mysql.conftest import migrated, new_job

from sp00ky_conformance.store.harness import failure, settlement
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Rollup, RollupQuery, SettleFate, StoreOptions
from sp00ky_store_kit import Access, Session
from sp00ky_store_mysql import MysqlStore

MOST = 12
"""Statements of one claim or settle of a hundred, with what begins and ends its transaction."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that stores send."""
    asked: list[str] = []
    query = Connection.query

    async def noted(connection: Any, text: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(str(text))
        return await query(connection, text, *arguments, **options)

    monkeypatch.setattr(Connection, "query", noted)
    return asked


@pytest.mark.parametrize("fields", [{}, {"priority": 2}, {"assigned_to": "u:1", "timeout": 3.0}])
async def test_a_hundred_are_claimed_and_settled_in_few_statements(
    store: MysqlStore, asked: list[str], fields: dict[str, Any]
) -> None:
    await store.add([new_job(**fields) for _ in range(201)])
    await store.claim({"api": 1}, "r")
    asked.clear()
    jobs = await store.claim({"api": 100}, "r")
    assert 3 < len(asked) <= MOST
    events = [Delivered(result={"n": n}) if n % 2 else failure() for n in range(100)]
    batch = [settlement(job, event) for job, event in zip(jobs, events, strict=True)]
    asked.clear()
    results = await store.settle(batch)
    assert 3 < len(asked) <= MOST
    assert len(jobs) == 100
    assert Counter(result.fate for result in results) == {SettleFate.SETTLED: 100}
    assert {(await store.get(job.id)).result["n"] for job in jobs[1:8:2]} == {1, 3, 5, 7}


async def test_what_a_caller_holds_is_settled_later_and_holds_up_nothing(
    store: MysqlStore, connection: Any
) -> None:
    await store.add([new_job() for _ in range(3)])
    jobs = await store.claim({"api": 3}, "r")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job SET assigned_to = 'x' WHERE id = %s", (key_of(jobs[1]),))
    batch = [settlement(job, Delivered()) for job in jobs]
    fates = [result.fate for result in await store.settle(batch)]
    assert fates == [SettleFate.SETTLED, SettleFate.BUSY, SettleFate.SETTLED]
    connection.commit()
    fates = [result.fate for result in await store.settle(batch)]
    assert fates == [SettleFate.ALREADY_SETTLED, SettleFate.SETTLED, SettleFate.ALREADY_SETTLED]


async def test_a_claim_passes_what_a_caller_holds(store: MysqlStore, connection: Any) -> None:
    added = await store.add([new_job() for _ in range(3)])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE job SET assigned_to = 'x' WHERE id = %s", (key_of(added[0]),))
    assert [job.id for job in await store.claim({"api": 5}, "r")] == [added[1].id, added[2].id]
    connection.commit()
    assert [job.id for job in await store.claim({"api": 5}, "r")] == [added[0].id]


def key_of(job: Job) -> str:
    return job.id.partition(":")[2]


async def test_a_deadlock_is_done_again(store: MysqlStore, options: StoreOptions) -> None:
    """Two transactions want each other's row: one is undone by the database, and repeated."""
    keys = [key_of(job) for job in await store.add([new_job(), new_job()])]
    both, tries = asyncio.Barrier(2), Counter[int]()

    async def write(session: Session, first: int) -> None:
        tries[first] += 1
        for number in (first, 1 - first):
            await session.execute(  # type: ignore[attr-defined]
                "UPDATE job SET timeout = 1 WHERE id = %s", (keys[number],)
            )
            if tries[first] == 1 and number == first:
                await both.wait()

    await asyncio.gather(
        store.run(lambda session: write(session, 0), Access.WRITE),
        store.run(lambda session: write(session, 1), Access.WRITE),
    )
    assert sorted(tries.values()) == [1, 2]


async def test_a_lock_that_is_not_to_be_had_is_said(
    options: StoreOptions, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller's transaction that is open holds up the enqueue of its dedup key, for a while."""
    monkeypatch.setattr("sp00ky_store_mysql.store.SETTINGS", "SET SESSION innodb_lock_wait_timeout = 1")
    store = await migrated(options)
    store.add_in(connection, [new_job(dedup_key="k")])
    with pytest.raises(StoreUnavailable, match="Lock wait timeout exceeded"):
        await store.add([new_job(dedup_key="k")])
    connection.rollback()
    await store.add([new_job(dedup_key="k")])
    await store.close()


HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
"""Long enough ago to be folded."""


def rollup(minute: int, runner: str = "r") -> Rollup:
    return Rollup(
        minute=HOUR.replace(minute=minute),
        runner_id=runner,
        backend="api",
        path="/a",
        outcome="success",
        code=200,
        count=1,
        seconds_sum=0.5,
        buckets=(1, 0),
    )


async def test_of_hours_that_many_fold_at_once_nothing_is_lost(
    options: StoreOptions, store: MysqlStore
) -> None:
    others = [MysqlStore(options) for _ in range(3)]
    for other in others:
        await other.open()
    await store.write_rollups([rollup(minute, f"r{n}") for minute in range(20) for n in range(3)])
    folded = 0
    async with asyncio.timeout(60):
        while folded < 60:
            folded += sum(await asyncio.gather(*(node.fold_rollups(limit=5) for node in (store, *others))))
    (hour,) = await store.rollups(RollupQuery(since=HOUR, step=3_600, routes=True))
    assert (hour.count, hour.seconds_sum, hour.buckets) == (60, 30.0, (60, 0))
    for other in others:
        await other.close()


async def test_settles_at_once_lock_no_other_rows_than_their_own(store: MysqlStore, asked: list[str]) -> None:
    """A scan of a small table would lock what others settle meanwhile, and they would skip it."""
    for _ in range(5):
        await store.add([new_job() for _ in range(40)])
        jobs = list(await store.claim({"api": 100}, "r"))
        batches = [[settlement(job, Delivered()) for job in jobs[n::4]] for n in range(4)]
        results = await asyncio.gather(*map(store.settle, batches))
        assert {result.fate for batch in results for result in batch} == {SettleFate.SETTLED}
    written = [
        statement for statement in asked if "FOR UPDATE" in statement or statement.startswith("UPDATE")
    ]
    assert all("FORCE INDEX (PRIMARY)" in statement for statement in written if "`id` IN (" in statement)
