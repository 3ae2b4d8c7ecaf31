"""New jobs become the arguments that the statements expect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.sql.enqueue_arguments import (
    as_utc,
    is_plain,
    many_arguments,
    one_arguments,
    plain_arguments,
    stored,
    stored_plain,
)

OTHERS = {
    "max_retries": 1,
    "timeout": 1,
    "dedup_key": "k",
    "assigned_to": "a",
    "priority": 1,
    "ordering_key": "k",
    "expires_at": datetime(2026, 1, 1, tzinfo=UTC),
}


def test_only_path_and_payload_make_a_job_plain(new_job: Any) -> None:
    assert is_plain(new_job())
    assert not any(is_plain(new_job(**{name: value})) for name, value in OTHERS.items())


def test_a_delay_is_given_in_microseconds_and_a_timeout_as_a_float(new_job: Any) -> None:
    job = new_job(delay=timedelta(seconds=1.5), timeout=2)
    microseconds = one_arguments("key", job, plain=False)[9]
    timeouts = many_arguments([("key", job)])[5]
    assert (microseconds, timeouts) == (1_500_000.0, [2.0])
    assert isinstance(timeouts[0], float)


def test_plain_jobs_name_their_first_and_last_key(new_job: Any) -> None:
    pairs = [("a", new_job()), ("b", new_job())]
    assert plain_arguments(pairs)[3:] == ("a", "b")


def test_plain_jobs_name_a_path_that_all_have_once(new_job: Any) -> None:
    jobs = [new_job(path=path) for path in ("/a", "/a", "/b")]
    assert plain_arguments([("a", jobs[0]), ("b", jobs[1])])[1] == ["/a"]
    assert plain_arguments([("a", jobs[0]), ("b", jobs[2])])[1] == ["/a", "/b"]


def test_plain_jobs_are_told_as_if_each_were_made_alone(new_job: Any, table: JobTable) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    pairs = [("a", new_job(path="/a", payload={"n": 1})), ("b", new_job(path="/b", payload={"n": 2}))]
    assert stored_plain(pairs, table, (at, at, at)) == {
        key: stored(each, table, key, (at, at, at)) for key, each in pairs
    }


def test_instants_of_callers_are_read_in_utc() -> None:
    assert as_utc("2026-01-01T01:00:00+01:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert as_utc(object()) is None
