"""Conditions in the database: what they find, count and clear, and what they don't read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_store_postgres import PostgresStore

ROWS = """
    INSERT INTO {schema}.job (path, status, errors, created_at) VALUES
    ('/1', 'success', '[]', '2026-01-01Z'),
    ('/2', 'failed', '[{{"name": "timeout", "code": 0}}]', '2026-01-02Z'),
    ('/3', 'failed', '[{{"name": "timeout"}}, {{"name": "http_status", "code": 500}}]', '2026-01-03Z'),
    ('/4', 'pending', '[{{"name": "http_status", "code": 500}}]', '2026-01-04Z'),
    ('/5', 'failed', '[{{"name": "http_status", "code": 500, "reason": "\\u0000\\ud800"}}]', '2026-01-05Z'),
    ('/6', 'failed', '{{"0": {{"name": "timeout"}}}}', '2026-01-06Z'),
    ('/7', 'failed', '[[{{"name": "timeout"}}]]', '2026-01-07Z')
"""


@pytest_asyncio.fixture
async def filled(store: PostgresStore, sql: Any, quoted: str) -> PostgresStore:
    """A store with seven rows, as many clients might have written them."""
    await sql.execute(ROWS.format(schema=quoted))
    return store


CONDITIONS = {
    "none": ({}, "7654321"),
    "name": ({"error_name": "timeout"}, "2"),
    "last name": ({"error_name": "http_status"}, "43"),
    "code": ({"code": 500}, "43"),
    "code 0": ({"code": 0}, "2"),
    "since": ({"since": datetime(2026, 1, 5, tzinfo=UTC)}, "765"),
    "until": ({"until": datetime(2026, 1, 3, tzinfo=UTC)}, "21"),
    "all": ({"status": JobStatus.FAILED, "code": 500, "backend": "api"}, "3"),
    "another backend": ({"backend": "mail"}, ""),
}


@pytest.mark.parametrize(("conditions", "paths"), CONDITIONS.values(), ids=CONDITIONS)
async def test_conditions(filled: PostgresStore, conditions: dict[str, Any], paths: str) -> None:
    found = await filled.find(JobQuery(**conditions))
    assert [job.path for job in found] == [f"/{each}" for each in paths]
    assert await filled.count(JobFilter(**conditions)) == len(paths)
