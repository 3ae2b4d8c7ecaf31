"""Rows that cannot be: a payload that is too long costs its own job alone; a dropped INSERT is told."""

from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_core.testing.perform import ScriptedTransport, outbox_over
from sp00ky_store_postgres import PostgresStore

INSERT = "INSERT INTO {}.job (path, payload) VALUES ('/spookify', json_build_object('id', repeat('x', {})))"

AROUND = len('{"id" : ""}')


async def test_a_payload_that_is_too_long_fails_its_job_alone(
    store: PostgresStore, sql: Any, schema: str, table: JobTable, tmp_path: Path
) -> None:
    quoted = '"{}"'.format(schema.replace('"', '""'))
    longest = table.max_payload_bytes - AROUND
    for length in (longest, longest + 1, 20_000_000, 1):
        await sql.execute(INSERT.format(quoted, length))
    transport = ScriptedTransport()
    async with outbox_over(store, [table], tmp_path).runner(transport=transport) as runner:
        await runner.until_empty()
    assert sorted(len(attempt.job.payload_json) for attempt in transport.attempts) == [AROUND + 1, 1_048_576]
    failed = [job for job in await store.find(JobQuery()) if job.status == "failed"]
    assert [[(error.name, error.reason) for error in job.errors] for job in failed] == [
        [("invalid_row", "payload is over maxPayloadBytes (1048576)")]
    ] * 2


async def test_the_limit_is_the_backends(
    make: Any, store: PostgresStore, table: JobTable, new_job: Any
) -> None:
    await store.add([new_job(payload={"id": "x" * 100})])
    strict = make(tables=(attrs.evolve(table, max_payload_bytes=100),))
    await strict.open()
    (job,) = await strict.claim({"api": 10}, "r1")
    await strict.close()
    assert job.defect == "payload is over maxPayloadBytes (100)"
