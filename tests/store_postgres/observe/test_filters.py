"""Conditions in the database: what they find, count and clear, and what they don't read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_store_postgres import PostgresStore

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
