"""What is taken out of a job: all, or what pointers lead to; and what stays."""

import json
from typing import Any

import attrs
import pytest

from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_core.job.redaction import matched, redacted, without_keys

PAYLOAD = {"card": 4111, "items": [{"name": "x"}, {"name": "y"}], "a/b": {"~": 1}, "": 0}
JOB = Job(
    id="job:1",
    backend="api",
    path="/a",
    payload_json=json.dumps(PAYLOAD).encode(),
    status=JobStatus.FAILED,
    result_json=b'{"card": {"no": 4111}}',
    errors=(AttemptError(attempt=1, code=402, name="http_status", reason="card 4111", trace="card 4111"),),
    dedup_key="d",
    ordering_key="o",
    assigned_to="user:7",
)


def test_all_that_a_job_carries_is_taken_out_and_the_rest_stays() -> None:
    job = redacted(JOB, ())
    assert (job.payload, job.result) == ({}, None)
    assert (job.errors[0].reason, job.errors[0].trace) == ("(redacted)", "")
    back: dict[str, Any] = {name: getattr(JOB, name) for name in ("payload_json", "result_json", "errors")}
    assert attrs.evolve(job, **back) == JOB
    bare = without_keys(JOB)
    assert (bare.dedup_key, bare.ordering_key, bare.assigned_to, bare.payload) == (None, None, None, PAYLOAD)


@pytest.mark.parametrize(
    ("pointer", "payload", "result"),
    [
        ("/card", {"card": "(redacted)"}, {"card": "(redacted)"}),
        ("/card/no", {}, {"card": {"no": "(redacted)"}}),
        ("/items/1/name", {"items": [{"name": "x"}, {"name": "(redacted)"}]}, {}),
        ("/a~1b/~0", {"a/b": {"~": "(redacted)"}}, {}),
        ("/", {"": "(redacted)"}, {}),
    ],
)
def test_a_pointer_leads_into_payload_and_result(
    pointer: str, payload: dict[str, Any], result: dict[str, Any]
) -> None:
    job = redacted(JOB, (pointer, "/gone"))
    assert job.payload == PAYLOAD | payload
    assert job.result == {"card": {"no": 4111}} | result
    assert job.errors[0].reason == "(redacted)"
    assert matched(JOB, (pointer, "/gone")) == {pointer}


@pytest.mark.parametrize("pointer", ["/gone", "/items/2", "/items/-", "/items/x/name", "/card/4", "/items/²"])
def test_what_leads_nowhere_takes_nothing_out(pointer: str) -> None:
    assert redacted(JOB, (pointer,)).payload_json == JOB.payload_json
    assert matched(JOB, (pointer,)) == frozenset()


@pytest.mark.parametrize(
    "payload",
    [
        b"card 4111",
        b'{"card": 4111, "card": 1}',
        b'{"a": {"card": 4111}, "a": {}}',
        b'{"card": 4111, "x": 1e999}',
        b'{"card": 4111, "x": "\\ud800"}',
        b'{"card": 4111, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_payload_that_fields_can_t_be_taken_out_of_is_left_to_a_redaction_of_all(payload: bytes) -> None:
    job = attrs.evolve(JOB, payload_json=payload, result_json=None)
    with pytest.raises(ValueError):  # noqa: PT011  # whichever it is
        redacted(job, ("/card",))
    assert redacted(job, ()).payload == {}
