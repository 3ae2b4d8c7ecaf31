"""Claims keep priority and order, also where two of them are at it at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_core.operators.transitions import kill, redrive
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.jobs import claim


async def raced(store: PostgresStore, new_job: Any, sql: Any, quoted: str, dsn: str) -> Any:
    """Claim while another claim, not committed yet, takes a key's second job; its first is redriven."""
    first, second = await store.add([new_job(ordering_key="k") for _ in range(2)])
    await kill(store, [first.id])
    other = await asyncpg.connect(dsn)
    try:
        transaction = other.transaction()
        await transaction.start()
        taking = f"UPDATE {quoted}.job SET status = 'processing', lease_epoch = 1 WHERE id = $1"
        await other.execute(taking, second.id.partition(":")[2])
        await redrive(store, [first.id])
        claiming = asyncio.ensure_future(store.claim({"api": 5}, "r1"))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')"
        async with asyncio.timeout(60):
            while not await sql.fetchval(waits):  # noqa: ASYNC110  # a lock sends no event
                await asyncio.sleep(0.01)
            await transaction.commit()
            return await asyncio.gather(claiming, return_exceptions=True)
    finally:
        await other.close()


async def test_a_lost_race_for_a_key_costs_no_other_job(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The index of processing keys refuses it: it is no row's fault, and none is left out."""
    (plain,) = await store.add([new_job()])
    (claimed,) = await raced(store, new_job, sql, quoted, dsn)
    assert [job.id for job in claimed] == [plain.id]
    assert "can't be claimed" not in caplog.text


async def test_the_database_guards_a_key(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "RACES", 1)
    (result,) = await raced(store, new_job, sql, quoted, dsn)
    assert isinstance(result, RowRefused)
    assert "job_ordering" in str(result)


async def test_a_refused_head_is_left_out_with_its_key(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    await store.add([new_job(path="/refused", ordering_key="a"), new_job(path="/behind", ordering_key="a")])
    await store.add([new_job(path="/fine", ordering_key="b"), new_job(path="/plain")])
    await sql.execute(f"ALTER TABLE {quoted}.job ADD CHECK (path <> '/refused' OR status = 'pending')")
    claimed = [job.path for job in await store.claim({"api": 9}, "r1")]
    assert sorted(claimed) == ["/fine", "/plain"]
    with pytest.raises(RowRefused, match="can't be claimed"):
        await store.claim({"api": 9}, "r1")
    assert await store.next_due(["api"]) is None


async def test_a_key_s_next_job_is_due_when_the_lease_of_a_killed_one_ends(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    first, second = await store.add([new_job(ordering_key="k") for _ in range(2)])
    assert [job.id for job in await store.claim({"api": 9}, "r1")] == [first.id]
    assert await store.next_due(["api"]) is None
    await kill(store, [first.id])
    assert await store.claim({"api": 9}, "r1") == []
    seconds = await store.next_due(["api"])
    assert seconds is not None
    assert 30 < seconds <= 40
    # A lease that no runner can have written keeps nothing back for ever.
    await sql.execute(f"UPDATE {quoted}.job SET lease_until = '2999-01-01Z' WHERE status = 'failed'")
    assert await store.next_due(["api"]) == 0
    assert [job.id for job in await store.claim({"api": 9}, "r1")] == [second.id]


async def test_a_probe_takes_the_first_of_a_key(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    await store.add([new_job(path="/first", ordering_key="k"), new_job(path="/second", ordering_key="k")])
    await sql.execute(f"INSERT INTO {quoted}.sp00ky_breaker (backend, state) VALUES ('api', 'open')")
    claimed = [job.path for _ in range(2) for job in await store.claim({"api": 5}, "r1")]
    assert claimed == ["/first"]


async def test_what_is_due_later_is_not_read(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, dsn: str
) -> None:
    """However much of it there is, of a higher priority, or behind another job of its key."""
    await store.add([new_job() for _ in range(3)])

    async def blocks() -> int:
        statement = store._claims._statements.claim(store._tables.all, ["job"])
        async with sql.transaction():
            await sql.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE it AS {statement}")
            rows = await sql.fetch(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
                "EXECUTE it ('r1', 0, '-infinity', '-infinity', '-infinity', '-infinity', '')"
            )
            await sql.execute("DEALLOCATE it")
        plan = json.loads(rows[0][0])[0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    await sql.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    await sql.execute(f"INSERT INTO {quoted}.job (path, ordering_key) VALUES ('/a', 'k')")
    before = await blocks()
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, priority, run_at) "
        "SELECT '/a', 3, now() + interval '1 day' FROM generate_series(1, 30000)"
    )
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, ordering_key) SELECT '/a', 'k' FROM generate_series(1, 30000)"
    )
    assert await blocks() < before + 50
