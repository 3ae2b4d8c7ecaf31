"""Conditions on jobs as conditions on rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.core.stores.transactional.conftest import API, NOW, SqliteSession, added, claimed

from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.stores.transactional.connection.session import Is
from sp00ky_core.stores.transactional.observe.filters import due, filters, overdue
from sp00ky_core.stores.transactional.schema.definition import job_table


@pytest.mark.parametrize(
    ("conditions", "where"),
    [
        (JobFilter(), []),
        (JobFilter(backend="api"), []),
        (JobFilter(backend="mail"), None),
        (JobFilter(path="/a", code=0), [Is("path", "in", ("/a",)), Is("last_error_code", "=", 0)]),
        (JobFilter(since=NOW, until=NOW), [Is("created_at", ">=", NOW), Is("created_at", "<", NOW)]),
        (JobQuery(ids=("job:1", "mail_job:2")), [Is("id", "in", ["1"])]),
        (JobQuery(ids=("mail_job:2",)), None),
    ],
)
def test_conditions(conditions: JobFilter, where: Any) -> None:
    assert filters(conditions, API) == where


async def test_what_is_due(session: SqliteSession) -> None:
    await added(session, 2)
    await session.execute("UPDATE job SET run_at = NULL WHERE rowid = 1")
    counts = [await session.count(job_table("job"), [each]) for each in due(session.at)]
    assert counts == [1, 1]


@pytest.mark.parametrize(
    ("lease", "expected"),
    [
        (None, 1),
        (NOW, 1),
        (NOW + timedelta(seconds=30), 0),
        (NOW + timedelta(minutes=1), 1),
        (NOW + timedelta(days=365), 1),
    ],
)
async def test_what_is_overdue(session: SqliteSession, lease: datetime | None, expected: int) -> None:
    await added(session)
    await claimed(session)
    await session.update(job_table("job"), [], {"lease_until": lease})
    assert await session.count(job_table("job"), [overdue(API, session.at)]) == expected
