"""Conditions on jobs: what no database could look for is refused when they are made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import TERMINAL, JobStatus
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.ports.query import PERIODS, check_limit

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
        ("failed_since", NOW.replace(tzinfo=None)),
        ("trace", "a" * 31),
        ("trace", "A" * 32),
        ("request_id", "\0"),
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


@pytest.mark.parametrize("period", PERIODS)
def test_a_time_that_ends_before_it_begins_is_refused(period: str) -> None:
    JobFilter(**{f"{period}since": NOW - timedelta(seconds=1), f"{period}until": NOW})
    for since in (NOW, NOW + timedelta(seconds=1)):
        with pytest.raises(
            OptionInvalid, match=f"^{period}since is .*before `{period}until`: no job can match"
        ):
            JobFilter(**{f"{period}since": since, f"{period}until": NOW})


@pytest.mark.parametrize(
    "others",
    [{"status": "success"}, {"status": "pending"}, {"claimed_until": NOW}],
    ids=["success", "pending", "claimed"],
)
def test_a_time_of_jobs_of_another_status_is_refused(others: Any) -> None:
    with pytest.raises(OptionInvalid, match=r"^failed_since is asked of jobs of another status; .*failed"):
        JobFilter(failed_since=NOW, **others)


def test_a_time_says_of_which_jobs_it_is() -> None:
    assert JobFilter(failed_until=NOW).status is JobStatus.FAILED
    assert JobFilter(claimed_since=NOW, runner_id="r").status is JobStatus.PROCESSING
    assert JobFilter(ended_since=NOW, runner_id="r").statuses == TERMINAL
    assert JobFilter(ended_since=NOW, failed_since=NOW).statuses == {JobStatus.FAILED}


def test_a_trace_may_be_given_as_it_is_sent() -> None:
    assert JobFilter(trace=f"00-{'a' * 32}-{'b' * 16}-01").trace == "a" * 32


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None, 2**63])
def test_what_is_no_number_of_jobs(value: Any) -> None:
    with pytest.raises(OptionInvalid, match="history is"):
        check_limit("history", value)
