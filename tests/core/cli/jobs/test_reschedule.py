"""``sp00ky jobs reschedule``: when jobs are due, and what comes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.core.cli.jobs.shelf import Shelf, ended, enqueued


def test_pending_jobs_are_rescheduled_and_others_refused(shelf: Shelf, sp00ky: Any) -> None:
    (failed,), (waiting,) = ended(1), enqueued(1)
    done = sp00ky("jobs", "reschedule", waiting, failed, "--at", "2030-01-01T12:00:00Z", "--priority", "3")
    assert done.code == 1
    assert done.out.splitlines()[1:] == [f"{waiting}  rescheduled"]
    assert done.err.startswith(f"sp00ky: job {failed} is failed")
    job = shelf.all()[waiting]
    assert (job.run_at, job.priority) == (datetime(2030, 1, 1, 12, tzinfo=UTC), 3)


def test_each_time_counts(shelf: Shelf, sp00ky: Any) -> None:
    (job_id,) = enqueued(1, delay=timedelta(days=9))

    def due(*options: str) -> timedelta:
        done = sp00ky("jobs", "reschedule", job_id[:-1], *options, "--json")
        assert done.json == {"results": [{"id": job_id, "result": "rescheduled"}]}
        at = shelf.all()[job_id].run_at
        assert at is not None
        return at - datetime.now(UTC)

    assert timedelta(hours=1) < due("--delay", "2h") <= timedelta(hours=2)
    assert timedelta(hours=2) < due("--at", "3h") <= timedelta(hours=3)
    assert timedelta(hours=2) < due("--priority", "1")
    assert due("--now") <= timedelta(0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "expected a time, delay, now or a priority"),
        (["--now", "--delay", "1h"], "expected one of at, delay and now"),
        (["--priority", "4"], "priority is 4; expected a whole number from 0 to 3"),
        (["--priority", "high"], "--priority"),
        (["--at", "yesterday"], "--at"),
        (["--at", "2030-01-01T12:00:00"], "has no time zone"),
        (["--now", "--reason", "\0"], "reason is"),
        (["--now", "--actor", "x" * 300], "actor is"),
    ],
)
def test_what_reschedules_badly_does_nothing(
    shelf: Shelf, sp00ky: Any, options: list[str], says: str
) -> None:
    (job_id,) = enqueued(1)
    before = shelf.all()[job_id]
    assert says in sp00ky("jobs", "reschedule", job_id, *options).complaint(2)
    assert shelf.all()[job_id] == before
    assert sp00ky("audit", "--json").json == {"audit": [], "next": None}


def test_it_wants_ids(shelf: Shelf, sp00ky: Any) -> None:
    assert "ID" in sp00ky("jobs", "reschedule", "--now").complaint(2)
