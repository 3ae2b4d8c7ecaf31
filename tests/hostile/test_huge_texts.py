"""Rows whose texts are huge, from before a trigger refused them: they cost no other row, and no memory."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
import pytest_asyncio
from chaos.postgres import postgres
from tests.hostile.arena import QUICK
from tests.store_postgres.forging import forge

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_core.testing.perform import ScriptedTransport, outbox_over
from sp00ky_store_postgres import PostgresStore

TABLE = JobTable(backend="api", table="job")
MB = 2**20
SIZES = [MB, 10 * MB, pytest.param(300 * MB, marks=pytest.mark.slow)]
MOST = 50 * MB
"""Bytes that such rows may cost a runner, or whoever lists them."""

ROWS = {
    "path": "repeat('a', {0})",
    "retry_strategy": "repeat('x', {0})",
    "traceparent": "repeat('x', {0})",
    "payload": """('{{"a": "' || repeat('a', {0}) || '"}}')::json""",
    "result": "to_json(repeat('x', {0}))",
    "errors": "json_build_array(json_build_object('name', repeat('x', {0})))",
    # Longer ones the indexes refuse.
    **dict.fromkeys(("assigned_to", "dedup_key"), "repeat('x', 100000)"),
}
HARMLESS = {"result", "errors"}
"""What no request is made of: the job is delivered."""


def peak() -> int:
    """Return the most bytes that this process has had in memory since ``forget_peak``."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", status)[0])


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


@pytest_asyncio.fixture
async def dsn() -> AsyncIterator[str]:
    async with postgres() as database:
        yield database.dsn


@pytest_asyncio.fixture
async def sql(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def store(dsn: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(StoreOptions(url=dsn, tables=(TABLE,)))
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", SIZES)
async def test_they_are_set_aside_unread(
    store: PostgresStore, sql: Any, size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for column, value in ROWS.items():
        columns, values = ("path", "") if column == "path" else (f"path, {column}", "'/spookify', ")
        insert = f"INSERT INTO job ({columns}, run_at) VALUES ({values}{value.format(size)}, '2020-01-01')"
        await forge(sql, "public", insert)
    processing = f"'/spookify', 'processing', repeat('x', {size})"
    await forge(sql, "public", f"INSERT INTO job (path, status, runner_id) VALUES ({processing})")
    (sound,) = await store.add([NewJob(backend="api", path="/spookify")])
    before, transport = forget_peak(), ScriptedTransport()
    with caplog.at_level(logging.WARNING):
        async with outbox_over(store, [TABLE], tmp_path).runner(QUICK, transport=transport) as runner:
            await runner.until_empty()
    jobs = await store.find(JobQuery())
    assert len(await store.errors()) > 0
    assert peak() - before < MOST
    failed = {job.errors[-1].reason: job.id for job in jobs if job.status == "failed"}
    texts = sorted(ROWS.keys() - HARMLESS - {"payload"})
    assert sorted(failed) == sorted(
        [*(f"{column} is over 8,192 bytes" for column in texts), "payload is over maxPayloadBytes (1048576)"]
    )
    for job_id in failed.values():
        assert len([line for line in caplog.messages if job_id in line]) == 1
    assert sound.id in {attempt.job.id for attempt in transport.attempts}
    assert len(jobs) == len(failed) + len(HARMLESS) + 2


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", SIZES)
async def test_a_role_that_may_only_insert_is_refused(store: PostgresStore, sql: Any, size: int) -> None:
    await sql.execute("CREATE ROLE client LOGIN; GRANT SELECT, INSERT ON job TO client; SET ROLE client")
    for column in ROWS.keys() - {"payload"}:
        columns, values = ("path", "") if column == "path" else (f"path, {column}", "'/spookify', ")
        with pytest.raises(asyncpg.CheckViolationError, match=f": {column} ") as raised:
            await sql.execute(f"INSERT INTO job ({columns}) VALUES ({values}{ROWS[column].format(size)})")
        assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO job (path, payload) VALUES ('/spookify', {0})",
        # A table of a client's own, which compresses: the row is taken from it as it is.
        """CREATE TEMP TABLE packed AS SELECT {0} AS payload;
        INSERT INTO job (path, payload) SELECT '/spookify', payload FROM packed""",
    ],
    ids=["values", "select"],
)
async def test_no_payload_is_unpacked_to_learn_that_it_is_too_long(
    store: PostgresStore, sql: Any, insert: str
) -> None:
    packed = f"""('{{"a": "' || repeat('a', {2 * MB}) || '"}}')::json"""  # takes 24 KB where it is compressed
    await sql.execute(insert.format(packed))
    assert await sql.fetchval("SELECT pg_column_size(payload) FROM job") > 2 * MB
    [job] = await store.claim({"api": 1}, "r")
    assert "payload is over" in (job.defect or "")
