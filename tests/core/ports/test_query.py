"""Conditions on jobs: what no database could look for is refused when they are made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.ports.query import check_limit

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("path", "/\0"),
        ("path", 1),
        ("since", NOW.replace(tzinfo=None)),
        ("until", "2026-01-31T00:00:00Z"),
        ("since", datetime.max.replace(tzinfo=UTC)),
        ("code", -1),
        ("code", True),
        ("code", 2**70),
        ("status", "done"),
    ],
)
def test_what_is_refused(option: str, value: Any) -> None:
    with pytest.raises(OptionInvalid) as raised:
        JobFilter(**{option: value})
    assert raised.value.option == option


def test_what_is_taken() -> None:
    given: Any = {"status": "failed", "code": 0, "since": NOW - timedelta(days=1), "until": NOW, "path": "/é"}
    assert JobFilter(**given).status is JobStatus.FAILED
    assert JobQuery(**given, limit=0).limit == 0


def test_a_runner_s_jobs_are_those_that_it_holds() -> None:
    assert JobFilter(runner_id="r").status is JobStatus.PROCESSING
    assert JobQuery(runner_id="r", status="failed").status is JobStatus.FAILED


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None, 2**63])
def test_what_is_no_number_of_jobs(value: Any) -> None:
    with pytest.raises(OptionInvalid, match="history is"):
        check_limit("history", value)
