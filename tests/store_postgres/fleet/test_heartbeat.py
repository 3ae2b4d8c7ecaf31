"""Heartbeats: runners that are silent for long are forgotten."""

from __future__ import annotations

from typing import Any

from tests.store_postgres.forging import forge

from sp00ky_core.ports import RunnerInfo
from sp00ky_store_postgres import PostgresStore


async def test_runners_that_are_silent_for_a_day_are_removed(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    for runner_id, hours, documents in (("gone", 25, "{}"), ("quiet", 23, "[1]")):
        await store.beat(runner_id)
        await sql.execute(
            f"UPDATE {quoted}.sp00ky_runner SET beat_at = now() - $2 * interval '1 hour', documents = $3"
            " WHERE id = $1",
            *(runner_id, hours, documents),
        )
    assert set(await store.beat("here")) == {"quiet", "here"}
    assert await sql.fetchval(f"SELECT count(*) FROM {quoted}.sp00ky_runner") == 2


async def test_silent_runners_are_forgotten_and_live_rows_are_never_pruned(
    store: PostgresStore, new_job: Any, sql: Any, schema: str
) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    await store.beat("gone")
    await sql.execute(f"UPDATE {quoted}.sp00ky_runner SET beat_at = now() - interval '2 days'")
    await forge(
        sql,
        quoted,
        f"INSERT INTO {quoted}.job (path, payload, status, updated_at) "
        "SELECT '/a', '{}', status, now() - age * interval '1 hour' "
        "FROM unnest(ARRAY['pending', 'processing', 'success', 'failed']) AS status, "
        "unnest(ARRAY[5, 7, 24 * 15]) AS age",
    )
    assert await store.prune() == 3  # success after 6 hours, failed after 14 days
    counts = await sql.fetch(f"SELECT status, count(*) FROM {quoted}.job GROUP BY 1")
    assert dict(map(tuple, counts)) == {"pending": 3, "processing": 3, "success": 1, "failed": 2}
    assert set(await store.beat("here")) == {"here"}


ODD = {"in_flight": "[1]", "slots": '{"api": "x", "mail": 3, "other": true}', "documents": '{"api": 1}'}


async def test_a_row_says_what_can_be_read_of_it(store: PostgresStore, sql: Any, quoted: str) -> None:
    await store.beat("r1")
    values = ", ".join(f"{column} = '{value}'" for column, value in ODD.items())
    await sql.execute(f"UPDATE {quoted}.sp00ky_runner SET {values}, beat_at = beat_at + interval '1 hour'")
    (record,) = await store.runners()
    assert (record.info.in_flight, record.info.slots, record.info.documents) == ({}, {"mail": 3}, {})
    assert record.silent_for == 0


async def test_a_beat_takes_no_drain_back(store: PostgresStore) -> None:
    await store.beat("r1")
    assert await store.drain_runner("r1")
    for _ in range(2):
        beats = await store.beat("r1", RunnerInfo(draining=False))
        assert beats["r1"].info.draining
    assert (await store.beat("r2"))["r1"].info.draining
