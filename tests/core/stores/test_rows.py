"""Rows that anyone may have written, as jobs, and what makes one undeliverable."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.anything import ANYTHING, COLUMNS

from sp00ky_conformance.strategies import new_jobs, payloads
from sp00ky_core.job.job import AttemptError, JobStatus, NewJob, instant_to_json, job_to_json
from sp00ky_core.stores.rows import defect_of, entries_of, instant_of, job_of


@given(st.dictionaries(st.sampled_from(COLUMNS), ANYTHING))
def test_any_row_is_a_job_that_can_be_shown(row: dict[str, Any]) -> None:
    job = job_of({"id": "job:1", **row}, backend="api")
    json.dumps(job_to_json(job), allow_nan=False).encode()
    assert job.status in JobStatus
    assert job.defect is None or len(job.defect) < 500
    if "path" not in row or "payload" not in row:
        assert job.defect


@pytest.mark.parametrize(
    ("payload", "defect"),
    [
        ('["4111 1111"]', "payload is a list (13 bytes): not a JSON object"),
        (b'"4111 1111"', "payload is a text (11 bytes): not a JSON object"),
        (["4111 1111"], "payload is a list (13 bytes): not a JSON object"),
        ("4111", "payload is a number (4 bytes): not a JSON object"),
        ("4111 1111", "payload isn't JSON: Extra data: line 1 column 6 (char 5)"),
        ('{"a": "4111\ud800"}', "payload isn't JSON: it can't be written in UTF-8"),
        ({"4111": {1}}, "payload isn't JSON: Object of type set is not JSON serializable"),
    ],
)
def test_a_defect_never_quotes_a_payload(payload: object, defect: str) -> None:
    assert defect_of({"path": "/a", "payload": payload}) == defect


def test_columns_may_come_as_text() -> None:
    entry = {"at": "2030-01-02T03:04:05Z", "attempt": 1, "code": 503, "name": "http_status", "reason": "busy"}
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    expected = (AttemptError(at=at, attempt=1, code=503, name="http_status", reason="busy"),)
    assert entries_of(json.dumps([entry, 3, None])) == expected
    assert entries_of([entry, expected[0]]) == expected * 2
    assert entries_of("[{oops") == entries_of("3") == entries_of(None) == ()
    assert instant_of("2030-01-02T05:04:05+02:00") == instant_of(at.replace(tzinfo=None)) == at
    assert instant_of("soon") is instant_of(3) is None
    far = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    assert instant_of(far) == datetime.max.replace(tzinfo=UTC)
    assert instant_to_json(at.replace(tzinfo=None)) == "2030-01-02T03:04:05Z"


@given(payloads(), st.integers(0, 1_000), st.integers(0, 1_000), st.none() | st.floats(0.001, 1e6))
def test_a_sound_row_has_no_defect(
    payload: dict[str, Any], retries: int, max_retries: int, timeout: float | None
) -> None:
    row = {"path": "/a", "retries": retries, "max_retries": max_retries, "timeout": timeout}
    for written in (payload, json.dumps(payload), json.dumps(payload).encode()):
        assert defect_of({**row, "payload": written}) is None


@given(new_jobs())
def test_what_a_new_job_allows_is_a_sound_row(new_job: NewJob) -> None:
    names = [field.alias or field.name for field in attrs.fields(NewJob)]
    row = {name: getattr(new_job, name) for name in names}
    assert defect_of({**row, "payload": new_job.payload_json}) is None
