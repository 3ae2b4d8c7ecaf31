"""A job as JSON: the documented keys, and what stands under them."""

import json

import pytest
from hypothesis import given

from sp00ky_conformance.strategies import jobs
from sp00ky_core.job.job import AttemptError, Job, JobStatus, job_to_json

# The documented keys, written down a second time.
KEYS = [
    *("id", "backend", "path", "payload", "status", "retries", "max_retries", "retry_strategy", "timeout"),
    *("assigned_to", "errors", "result", "dedup_key", "priority", "ordering_key", "traceparent"),
    *("created_at", "updated_at", "run_at", "lease_until", "lease_epoch", "runner_id"),
]


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


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [(0, "no stock", "Bad: no stock"), (503, "later", "HTTP 503: later"), (503, "", "HTTP 503")],
)
def test_an_error_says_what_went_wrong_with_its_text(code: int, reason: str, said: str) -> None:
    assert str(AttemptError(attempt=1, code=code, name="Bad", reason=reason)) == said
