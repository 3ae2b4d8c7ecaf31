"""Read and write the rows of schedules and runs."""

from __future__ import annotations

import json

import attrs
import pytest
from tests.core.schedules.situations import NOW, run, stored

from sp00ky_core.errors import RunUnreadable
from sp00ky_core.job import NewJob
from sp00ky_core.ports import RunStatus, Spawn
from sp00ky_core.schedules.fire import job_key
from sp00ky_core.schedules.rows import refused_run, run_of, run_row, run_with_job, schedule_of, schedule_row


def test_a_schedule_is_read_as_it_was_written_with_its_next_revision() -> None:
    schedule = stored(definition={"every": 60}, seen=("a",), paused=True, failures={"k": 2}, revision=4)
    row = schedule_row(schedule)
    assert (row["paused"], row["removed"], row["revision"]) == (1, 0, 5)
    assert schedule_of(row) == attrs.evolve(schedule, revision=5)
    parsed = {name: json.loads(row[name]) for name in ("definition", "seen", "failures")}
    assert schedule_of({**row, **parsed}) == schedule_of(row)


def test_a_row_that_holds_no_json_stops_no_other() -> None:
    row = schedule_row(stored()) | {"definition": "{", "seen": "", "failures": None}
    found = schedule_of(row)
    assert (found.definition, found.seen, found.failures) == ({}, (), {})


def test_a_run_is_read_as_it_was_written() -> None:
    failed = run(key="k", status=RunStatus.FAILED, error={"code": "x"}, finished_at=NOW)
    assert run_of(run_row(failed)) == failed
    assert run_of(run_row(run())) == run()


@pytest.mark.parametrize("field", ["status", "trigger"])
def test_a_run_of_a_later_version_is_named(field: str) -> None:
    with pytest.raises(RunUnreadable) as caught:
        run_of(run_row(run(key="k")) | {field: "haunted"})
    error = caught.value
    assert (error.schedule, error.fired_at, error.key) == ("nightly", run().fired_at, "k")
    assert "run of schedule 'nightly' of 2026-05-05 05:04:00+00:00, key 'k': 'haunted' isn't" in str(
        error
    ).replace("is not", "isn't")
    assert str(error).endswith("; upgrade sp00ky here, a later version wrote it")


def test_the_run_of_a_job_that_was_inserted_or_refused() -> None:
    spawn = Spawn(job=NewJob(path="/a"), job_key=job_key("nightly", NOW, ""), run=run(job_id=None))
    assert run_with_job(spawn, "job:7").job_id == "job:7"
    refused = refused_run(spawn, "no")
    assert (refused.status, refused.job_id) == (RunStatus.FAILED, None)
    assert refused.error == {"code": "row_refused", "reason": "no"}
