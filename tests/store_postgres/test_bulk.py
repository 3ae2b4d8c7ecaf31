"""Operators' commands by filter on PostgreSQL: in processes of their own, beside other clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.store_postgres.forging import forge

from sp00ky_core import JobFilter, JobQuery, JobStatus
from sp00ky_core.operators import bulk, matching_jobs
from sp00ky_core.operators.transitions import kill
from sp00ky_store_postgres import PostgresStore

SP00KY = str(Path(sys.executable).with_name("sp00ky"))
SPEC = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths: {/spookify: {post: {requestBody: {content: {application/json: {schema: {type: object}}}}}}}
"""
BACKEND = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "openapi.yml").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\n")
    return tmp_path


async def start(project: Path, store: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        SP00KY,
        *arguments,
        cwd=project,
        env={**os.environ, "SP00KY_STORE": store},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    )


async def test_a_watch_without_an_id_starts_with_now(
    store: PostgresStore, project: Path, url: str, new_job: Any
) -> None:
    old = [job.id for job in await store.add([new_job() for _ in range(3)])]
    process = await start(project, url, "jobs", "watch", "--json")
    assert process.stdout is not None
    reading = asyncio.ensure_future(process.stdout.readline())
    new: list[str] = []
    try:
        async with asyncio.timeout(60):
            while not reading.done():  # when it listens isn't said
                new += [job.id for job in await store.add([new_job()])]
                await asyncio.wait([reading], timeout=0.2)
        assert json.loads(await reading)["id"] in new
        await kill(store, old[:1])
        async with asyncio.timeout(60):
            while (shown := json.loads(await process.stdout.readline()))["id"] in new:
                pass
        assert (shown["id"], shown["status"]) == (old[0], "failed")
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130


async def test_an_interrupted_command_says_how_far_it_came(
    store: PostgresStore, project: Path, url: str, sql: Any, schema: str
) -> None:
    table = '"{}"."job"'.format(schema.replace('"', '""'))
    rows = 30_000
    await sql.execute(f"INSERT INTO {table} (path) SELECT '/spookify' FROM generate_series(1, {rows})")
    process = await start(project, url, "jobs", "kill", "--all", "--yes", "--json")
    assert process.stderr is not None
    async with asyncio.timeout(90):
        async for line in process.stderr:
            if line.startswith(b"killed: 10,000"):
                break
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 1, err
    result = json.loads(out)
    assert result["interrupted"] is True
    assert 10_000 <= result["done"] < rows
    assert await store.count(JobFilter(status=JobStatus.FAILED)) == result["done"]
    assert f"interrupted after {result['done']:,} of {rows:,} jobs" in err.decode()


async def test_pages_of_jobs_created_in_one_instant_leave_none_out(
    store: PostgresStore, sql: Any, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching_jobs, "PAGE", 7)
    table = '"{}"."job"'.format(schema.replace('"', '""'))
    await forge(
        sql,
        table.removesuffix('."job"'),
        f"INSERT INTO {table} (path, status, created_at) SELECT '/spookify', "
        "CASE n % 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'processing' ELSE 'success' END, now() "
        "FROM generate_series(1, 60) n",
    )
    work = bulk.steps(store, bulk.KILL, JobFilter(), lambda ids, _: kill(store, ids))
    assert [result.done async for result in work] == [0, 7, 14, 21, 28, 35, 40]
    assert await store.count(JobFilter(status=JobStatus.FAILED)) == 40
    assert {job.status.value for job in await store.find(JobQuery(limit=100))} == {"failed", "success"}
