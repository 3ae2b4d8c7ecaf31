"""A job as JSON: the documented keys, and what stands under them."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_conformance.strategies import instants, jobs
from sp00ky_core.job.job import AttemptError, Job, JobStatus, instant_to_json, job_to_json

# DESIGN.md section 12, written down a second time.
KEYS = [
    "id",
    "backend",
    "path",
    "payload",
    "status",
    "retries",
    "max_retries",
    "retry_strategy",
    "timeout",
    "assigned_to",
    "errors",
    "result",
    "dedup_key",
    "priority",
    "ordering_key",
    "traceparent",
    "created_at",
    "updated_at",
    "run_at",
    "lease_until",
    "lease_epoch",
    "runner_id",
]


@given(jobs())
def test_each_key_says_what_the_job_has(job: Job) -> None:
    fields = json.loads(json.dumps(job_to_json(job), allow_nan=False))
    for key in KEYS:
        held = getattr(job, key)
        if isinstance(held, datetime):
            assert datetime.fromisoformat(fields[key]) == held
        elif key != "errors":
            assert fields[key] == held
    for entry, held in zip(fields["errors"], job.errors, strict=True):
        instants_of = {key: datetime.fromisoformat(entry[key]) for key in ("at", "since") if entry.get(key)}
        assert AttemptError(**{**entry, **instants_of}) == held


@given(jobs())
def test_the_keys_are_the_documented_ones_in_their_order(job: Job) -> None:
    fields = job_to_json(job)
    assert list(fields) == KEYS
    for entry in fields["errors"]:
        several = [key for key in ("since", "count") if key in entry]
        assert list(entry) == ["at", "attempt", "code", "name", "reason", "runner_id", *several]
        assert entry.get("since", "") is not None
        assert entry.get("count") != 1
    absent = {key for key in KEYS if getattr(job, key) is None}
    assert {key for key in KEYS if fields[key] is None} == absent


def test_a_job_reads_as_documented() -> None:
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    job = Job(
        id="job:1",
        backend="api",
        path="/spookify",
        payload_json=b'{"id":1}',
        status=JobStatus.FAILED,
        errors=(AttemptError(at=at, attempt=1, code=503, name="http_status", reason="busy"),),
        result_json=b"[1]",
        created_at=at,
        updated_at=at.replace(microsecond=120),
    )
    assert job_to_json(job) == {
        "id": "job:1",
        "backend": "api",
        "path": "/spookify",
        "payload": {"id": 1},
        "status": "failed",
        "retries": 0,
        "max_retries": 3,
        "retry_strategy": "linear",
        "timeout": None,
        "assigned_to": None,
        "errors": [
            {
                "at": "2030-01-02T03:04:05Z",
                "attempt": 1,
                "code": 503,
                "name": "http_status",
                "reason": "busy",
                "runner_id": None,
            }
        ],
        "result": [1],
        "dedup_key": None,
        "priority": 0,
        "ordering_key": None,
        "traceparent": None,
        "created_at": "2030-01-02T03:04:05Z",
        "updated_at": "2030-01-02T03:04:05.000120Z",
        "run_at": None,
        "lease_until": None,
        "lease_epoch": 0,
        "runner_id": None,
    }


@given(instants(), st.integers(-14, 14))
def test_instants_are_rfc_3339_in_utc(instant: datetime, hours: int) -> None:
    elsewhere = instant.astimezone(timezone(timedelta(hours=hours)))
    text = instant_to_json(elsewhere)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == instant
    assert ("." in text) == (instant.microsecond != 0)


NO_JSON = [b"", b"{oops", b"\xff\xfe", b"\0", b"NaN", b"1e999", b"9" * 5_000, b'{"a":' * 99_999]


@pytest.mark.parametrize("text", NO_JSON, ids=lambda text: repr(text[:8]))
def test_a_payload_that_is_no_json_is_shown_as_text(text: bytes) -> None:
    job = Job(id="a:1", backend="a", path="/", payload_json=text, result_json=text, status=JobStatus.PENDING)
    fields = job_to_json(job)
    assert fields["payload"] == fields["result"] == text.decode(errors="replace")
    json.dumps(fields, allow_nan=False).encode()


def test_lone_surrogates_are_replaced() -> None:
    job = Job(
        id="a:1",
        backend="a",
        path="/\udc00",
        payload_json=b'{"a\\ud800":"\\udfff!"}',
        status=JobStatus.PENDING,
    )
    fields = job_to_json(job)
    assert (fields["path"], fields["payload"]) == ("/\ufffd", {"a\ufffd": "\ufffd!"})
