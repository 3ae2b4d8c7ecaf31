"""What no runner can work with is refused where it is written, and nowhere else."""

import re
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
from tests.store_postgres.forging import forge

from sp00ky_store_postgres import PostgresStore

REFUSED = {
    "path": ("''",),
    "retries": ("-1", "1001"),
    "max_retries": ("-1", "1001"),
    "timeout": ("0", "'Infinity'", "'NaN'"),
    "priority": ("-1", "4"),
    "ordering_key": ("''", "repeat('x', 256)"),
    **dict.fromkeys(("created_at", "run_at", "expires_at"), ("'infinity'", "'-infinity'", "'4000-01-01 BC'")),
}
WRITTEN = {
    "status": ("'done'",),
    "lease_epoch": ("-1",),
    **dict.fromkeys(
        ("updated_at", "lease_until", "deferred_since"), ("'infinity'", "'-infinity'", "'4000-01-01 BC'")
    ),
}
CASES = [(column, value) for column, values in (REFUSED | WRITTEN).items() for value in values]


@pytest.mark.parametrize(("column", "value"), CASES)
async def test_a_row_that_no_runner_can_work_with_is_refused(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, column: str, value: str
) -> None:
    await store.add([new_job()])
    columns, values = ("path", value) if column == "path" else (f"path, {column}", f"'/a', {value}")
    rule = "changed" if column in REFUSED else "written"
    refused = pytest.raises(asyncpg.CheckViolationError, match=f'violates check constraint "job_{rule}"')
    insert = f"INSERT INTO {quoted}.job ({columns}) VALUES ({values})"
    if column in REFUSED:
        with pytest.raises(asyncpg.CheckViolationError, match=rf"^job [^ ]{{36}}: .*\b{column}\b") as raised:
            await sql.execute(insert)
        assert raised.value.constraint_name == "job_new"
    else:
        with refused:
            await forge(sql, quoted, insert)
    with refused:
        await sql.execute(f"UPDATE {quoted}.job SET {column} = {value}")


async def test_an_ordering_key_needs_its_instant(store: PostgresStore, sql: Any, quoted: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="ordering_key has no ordering_at"):
        await sql.execute(
            f"INSERT INTO {quoted}.job (path, ordering_key, ordering_at) VALUES ('/a', 'k', NULL)"
        )
    await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/a')")
    with pytest.raises(asyncpg.CheckViolationError, match="job_changed") as raised:
        await sql.execute(f"UPDATE {quoted}.job SET ordering_key = 'k', ordering_at = NULL")
    assert "an ordering_at" in raised.value.detail


NOT_NEW = {
    "status": ("'failed'", "'processing'"),
    "retries": ("1",),
    "errors": ("'[{}]'", "json_build_array(repeat('x', 300000))"),
    "result": ("'1'",),
    "lease_epoch": ("1",),
    "lease_until": ("now() + interval '23 hours'",),
    "runner_id": ("'r1'", "repeat('x', 1000000)"),
    "deferred_since": ("now()",),
    "request_id": ("'r'",),
    "redacted_at": ("now()",),
    "claimed_max_retries": ("0",),
    "ordering_at": ("'1999-12-31Z'", "now() + interval '1 hour'"),
    **dict.fromkeys(
        ("path", "retry_strategy", "assigned_to", "dedup_key", "traceparent", "ordering_key", "copied_from"),
        ("repeat('x', 8193)", "repeat('x', 1000000)"),
    ),
}


@pytest.mark.parametrize("column", NOT_NEW)
async def test_a_row_that_is_not_a_new_jobs_is_refused(
    store: PostgresStore, sql: Any, quoted: str, column: str
) -> None:
    for value in NOT_NEW[column]:
        columns, values = ("path", value) if column == "path" else (f"path, {column}", f"'/a', {value}")
        with pytest.raises(asyncpg.CheckViolationError) as raised:
            await sql.execute(f"INSERT INTO {quoted}.job ({columns}) VALUES ({values})")
        assert re.fullmatch(
            rf"job [0-9a-f-]{{36}}: {column} .+: (leave it out|shorten it)", str(raised.value)
        )
        trigger = "unclaimed" if column == "claimed_max_retries" else "new"
        assert raised.value.constraint_name == f"job_{trigger}"
