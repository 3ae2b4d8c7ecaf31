"""Decide how runs have ended."""

from __future__ import annotations

import pytest
from tests.core.schedule.situations import NOW, SECOND, job, run

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import RunStatus
from sp00ky_core.schedule.run_end import (
    DEADLINE_EXCEEDED,
    REPLACED,
    ended,
    failures_after,
    is_late,
    kill_reason,
)


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING])
def test_a_run_goes_on_with_its_job(status: JobStatus) -> None:
    assert ended(run(), job(status), NOW) is None


def test_a_success() -> None:
    found = ended(run(), job(JobStatus.SUCCESS), NOW)
    assert found is not None
    assert (found.status, found.error, found.finished_at) == (RunStatus.SUCCESS, None, NOW - SECOND)


@pytest.mark.parametrize(
    ("name", "reason", "status", "code"),
    [
        ("http_status", "500", RunStatus.FAILED, "http_status"),
        ("killed", "killed by an operator", RunStatus.KILLED, "killed"),
        ("killed", kill_reason(DEADLINE_EXCEEDED), RunStatus.KILLED, "deadline_exceeded"),
        ("killed", kill_reason(REPLACED), RunStatus.REPLACED, "replaced"),
    ],
)
def test_the_last_error_of_the_job_says_how(name: str, reason: str, status: RunStatus, code: str) -> None:
    found = ended(run(), job(JobStatus.FAILED, name, reason), NOW)
    assert found is not None
    assert (found.status, (found.error or {})["code"]) == (status, code)
    assert (found.error or {})["reason"] == reason.removeprefix(f"{code}: ")


def test_failures_in_a_row() -> None:
    late = run(key="late", status=RunStatus.KILLED, error={"code": DEADLINE_EXCEEDED})
    runs = [
        run(key="a", status=RunStatus.FAILED),
        run(key="a", status=RunStatus.FAILED),
        run(key="b", status=RunStatus.SUCCESS),
        run(key="c", status=RunStatus.SKIPPED),
        run(key="d", status=RunStatus.KILLED, error={"code": "killed"}),
        late,
    ]
    assert failures_after({"a": 1, "b": 4, "c": 2}, runs) == {"a": 3, "c": 2, "late": 1}


def test_a_deadline() -> None:
    assert is_late(run(), 60.0, NOW)
    assert not is_late(run(), 61.0, NOW)
    assert not is_late(run(), 0.0, NOW)
    assert not is_late(run(finished_at=NOW - SECOND), 60.0, NOW)
