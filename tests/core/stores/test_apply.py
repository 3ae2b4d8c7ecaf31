"""A transition makes of a job what a store has to write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.job import AttemptError, Job, JobStatus
from sp00ky_core.machine import MAX_ERRORS, Transition
from sp00ky_core.outcome import THROTTLED
from sp00ky_core.stores.apply import appended, applied

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LEASE, EARLIER = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
JOB = Job(
    id="job:1",
    backend="api",
    path="/a",
    payload_json=b"{}",
    status=JobStatus.PROCESSING,
    run_at=EARLIER,
    deferred_since=EARLIER,
    lease_until=LEASE,
    lease_epoch=3,
    runner_id="r",
    result_json=b"0",
)


def error(name: str = "timeout", **fields: Any) -> AttemptError:
    return AttemptError(attempt=1, code=0, name=name, reason="", **fields)


@pytest.mark.parametrize(
    ("transition", "fields"),
    [
        (
            {},
            {
                "run_at": EARLIER,
                "lease_until": None,
                "runner_id": None,
                "lease_epoch": 3,
                "deferred_since": None,
            },
        ),
        ({"delay": 5.0}, {"run_at": NOW + timedelta(seconds=5)}),
        ({"delay": 5.0, "after_lease": True}, {"run_at": LEASE}),
        ({"delay": 90.0, "after_lease": True}, {"run_at": NOW + timedelta(seconds=90)}),
        ({"keeps_lease": True}, {"lease_until": LEASE, "runner_id": "r"}),
        ({"bumps_epoch": True}, {"lease_epoch": 4}),
        ({"defers": True}, {"deferred_since": EARLIER}),
        ({"keeps_deferral": True}, {"deferred_since": EARLIER}),
        ({"result_json": b"[]"}, {"result_json": b"[]"}),
        ({"result_json": None}, {"result_json": b"0"}),
    ],
)
def test_what_is_written(transition: dict[str, Any], fields: dict[str, Any]) -> None:
    after = applied(JOB, Transition(to=JobStatus.PENDING, retries=2, **transition), NOW)
    assert (after.status, after.retries, after.updated_at) == (JobStatus.PENDING, 2, NOW)
    assert {name: getattr(after, name) for name in fields} == fields


def test_the_first_and_the_latest_errors_stay() -> None:
    errors: tuple[AttemptError, ...] = ()
    for number in range(MAX_ERRORS + 5):
        errors = appended(errors, error(str(number)), NOW)
    assert [each.name for each in errors] == ["0", *(str(n) for n in range(6, MAX_ERRORS + 5))]
    assert {each.at for each in errors} == {NOW}
    assert appended(errors, None, NOW) is errors


def test_throttled_answers_in_a_row_are_one_entry() -> None:
    errors = appended((error(),), error(THROTTLED), EARLIER)
    errors = appended(errors, error(THROTTLED), NOW)
    assert [(each.name, each.count, each.since, each.at) for each in errors[1:]] == [
        (THROTTLED, 2, EARLIER, NOW)
    ]
    assert len(appended(appended(errors, error(), NOW), error(THROTTLED), NOW)) == 4
