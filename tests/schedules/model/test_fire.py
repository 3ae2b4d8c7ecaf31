"""Decide what a fire makes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schedules.model.situations import NOW, SECOND, config, job, run, situation, stored

from sp00ky_core.errors import PayloadInvalid
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_schedules.model.config import ForEachConfig
from sp00ky_schedules.model.fire import (
    DEADLINE_EXCEEDED,
    REPLACED,
    decide_fire,
    ended,
    failures_after,
    fan_out,
    is_late,
    job_key,
    kill_reason,
)
from sp00ky_schedules.model.records import RunStatus, Trigger


def test_a_fire_makes_one_job_and_moves_the_clock_on_from_now() -> None:
    late = stored(next_fire_at=NOW - timedelta(days=3), revision=7, last_error="before")
    definition = config(payload={"a": 1}, retry=config().retry, timeout=5.0)
    fire = decide_fire(situation(stored=late, definition=definition))
    (spawn,) = fire.change.spawns
    assert (spawn.job.path, spawn.job.payload, spawn.job.timeout) == ("/report", {"a": 1}, 5.0)
    assert (spawn.run.fired_at, spawn.run.key, spawn.run.status) == (NOW, "", RunStatus.RUNNING)
    assert fire.change.schedule.next_fire_at == NOW + timedelta(seconds=60)
    assert fire.change.schedule.last_fired_at == NOW
    assert fire.change.schedule.revision == 7
    assert fire.change.schedule.last_error is None
    assert fire.kills == {}


def test_a_fire_by_hand_leaves_the_clock_alone() -> None:
    fire = decide_fire(situation(trigger=Trigger.MANUAL, stored=stored(next_fire_at=NOW)))
    assert fire.change.schedule.next_fire_at == NOW
    assert fire.change.spawns[0].run.trigger is Trigger.MANUAL


def test_retries_count_all_attempts() -> None:
    retry = type(config().retry)(max=3, strategy="exponential")
    (spawn,) = decide_fire(situation(definition=config(retry=retry))).change.spawns
    assert (spawn.job.max_retries, spawn.job.retry_strategy) == (2, "exponential")


def test_what_is_too_much_is_dropped_and_said() -> None:
    fire = decide_fire(situation(*({"id": n} for n in range(10_001))))
    assert len(fire.change.spawns) == 10_000
    assert "more than 10,000 rows" in str(fire.change.schedule.last_error)


@pytest.mark.parametrize("bad", [{}, {"id": None}, {"id": ""}, {"id": "a\0"}, {"id": "x" * 256}])
def test_a_row_without_a_key_costs_no_other(bad: dict[str, Any]) -> None:
    fire = decide_fire(situation({"id": 1}, bad))
    assert [spawn.run.key for spawn in fire.change.spawns] == ["1"]
    assert "row 2 has no 'id' that can be a key" in str(fire.change.schedule.last_error)


def test_a_row_that_breaks_the_contract_is_a_run_that_failed() -> None:
    def checked(new: NewJob) -> NewJob:
        if new.payload["row"]["id"] == 2:
            raise PayloadInvalid(backend="api", path="/report", violations=())
        return new

    fire = decide_fire(situation({"id": 1}, {"id": 2}, {"id": 3}, checked=checked))
    assert [spawn.run.key for spawn in fire.change.spawns] == ["1", "3"]
    (failed,) = fire.change.runs
    assert (failed.key, failed.status, failed.job_id) == ("2", RunStatus.FAILED, None)
    assert (failed.error or {})["code"] == "invalid_payload"


def test_a_job_that_ended_or_is_gone_blocks_nothing_and_its_end_is_written_down() -> None:
    gone = run(job_id="job:2", fired_at=NOW - timedelta(minutes=2))
    fire = decide_fire(situation(open_runs=[(gone, None), (run(), job(JobStatus.SUCCESS))]))
    assert len(fire.change.spawns) == 1
    assert [(made.status, made.error and made.error["code"]) for made in fire.change.runs] == [
        (RunStatus.FAILED, "job_gone"),
        (RunStatus.SUCCESS, None),
    ]


@given(st.text(), st.text(), st.datetimes().map(lambda at: at.replace(tzinfo=NOW.tzinfo)))
def test_a_jobs_key_is_a_uuid_of_version_8_that_is_always_the_same(name: str, key: str, at: Any) -> None:
    found = job_key(name, at, key)
    assert found == job_key(name, at, key)
    assert (found.version, found.variant) == (8, "specified in RFC 4122")
    assert found != job_key(name, at + timedelta(microseconds=1), key)


QUERY = ForEachConfig(query="SELECT 1", key="tenant")


def test_what_is_left_out_is_said() -> None:
    found = fan_out(QUERY, [{"id": 1}, {"tenant": "a"}, {}])
    assert list(found.rows) == ["a"]
    assert found.problem == "2 rows have no 'tenant' that can be a key, the first is row 1"
    assert fan_out(QUERY, [{"tenant": "a"}]).problem is None


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
