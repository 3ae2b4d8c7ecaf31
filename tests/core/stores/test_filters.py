"""Jobs against conditions, by age, and in numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.job import AttemptError, Job, JobStatus
from sp00ky_core.ports import LONGEST_LEASE, JobFilter, JobQuery
from sp00ky_core.stores.filters import age_of, is_overdue, matches

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def error(name: str, code: int = 0) -> AttemptError:
    return AttemptError(attempt=1, code=code, name=name, reason="")


def job(status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    known: dict[str, Any] = {"id": "job:1", "backend": "api", "path": "/a", "payload_json": b"{}"}
    return Job(**{**known, "status": status, **fields})


FAILED = job(
    JobStatus.FAILED,
    created_at=NOW,
    assigned_to="thread:a",
    errors=(error("timeout"), error("http_status", 500)),
)


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ({}, True),
        ({"backend": "api", "status": "failed", "path": "/a", "assigned_to": "thread:a"}, True),
        ({"backend": "mail"}, False),
        ({"status": "pending"}, False),
        ({"path": "/b"}, False),
        ({"assigned_to": "thread:b"}, False),
        ({"since": NOW}, True),
        ({"since": NOW + SECOND}, False),
        ({"until": NOW}, False),
        ({"until": NOW + SECOND}, True),
        ({"error_name": "http_status"}, True),
        ({"error_name": "timeout"}, False),
        ({"code": 500}, True),
        ({"code": 0}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], met: bool) -> None:
    assert matches(FAILED, JobFilter(**conditions)) is met


def test_ids_are_a_query_s() -> None:
    assert matches(FAILED, JobQuery(ids=("job:1", "job:2")))
    assert not matches(FAILED, JobQuery(ids=()))
    assert not matches(job(), JobFilter(code=0))


def test_a_job_without_a_time_is_the_oldest() -> None:
    jobs = [FAILED, job(id="job:0", created_at=NOW), job(id="job:9")]
    assert [each.id for each in sorted(jobs, key=age_of)] == ["job:9", "job:0", "job:1"]


@pytest.mark.parametrize(
    ("lease", "overdue"),
    [
        (None, True),
        (NOW, True),
        (NOW + SECOND, False),
        (NOW + timedelta(seconds=LONGEST_LEASE), False),
        (NOW + timedelta(seconds=LONGEST_LEASE + 1), True),
    ],
)
def test_a_lease(lease: datetime | None, overdue: bool) -> None:
    assert is_overdue(job(JobStatus.PROCESSING, lease_until=lease), NOW) is overdue
