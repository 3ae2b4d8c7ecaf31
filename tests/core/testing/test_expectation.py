"""A job is compared with what a test expects, and each difference is said."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import attrs
import pytest

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.errors import OptionInvalid, PayloadNotJson, UnknownBackend, UnknownRoute, UnknownStrategy
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.outbox import Outbox
from sp00ky_core.testing.expectation import Expectation

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@attrs.frozen
class Spook:
    id: UUID


def job_with(payload: Any = None, **fields: Any) -> Job:
    return Job(
        **{
            "id": "job:1",
            "backend": "api",
            "path": "/spookify",
            "payload_json": encode({} if payload is None else payload),
            "status": JobStatus.PENDING,
            "created_at": NOW,
            "run_at": NOW,
            **fields,
        }
    )


def expect(payload: Any = None, **options: Any) -> Expectation:
    return Expectation(backend="api", path="/spookify", payload=payload, options=options)


PAYLOAD = {"id": "1", "user": {"name": "Eve", "age": 7}, "tags": ["a", {"b": 1, "c": 2}], "ok": True}


@pytest.mark.parametrize(
    ("expected", "differences"),
    [
        ({}, []),
        ({"id": "1", "user": {"age": 7}, "tags": ["a", {"b": 1}]}, []),
        ({"id": ANY, "ok": ANY, "user": ANY, "tags": [ANY, {"c": pytest.approx(2.0)}]}, []),
        ({"id": 1}, ["payload /id is '1', expected 1"]),
        ({"ok": 1}, ["payload /ok is True, expected 1"]),
        ({"user": {"age": True}}, ["payload /user/age is 7, expected True"]),
        ({"user": {"name": "Bob", "x/y": 1}}, [
            "payload /user/name is 'Eve', expected 'Bob'",
            "payload /user/x~1y is missing, expected 1",
        ]),
        ({"tags": ["a"]}, ["payload /tags is ['a', {'b': 1, 'c': 2}], expected ['a']"]),
        ({"tags": ["a", {"b": 2}]}, ["payload /tags/1/b is 1, expected 2"]),
        ({"user": None}, ["payload /user is {'name': 'Eve', 'age': 7}, expected None"]),
    ],
)  # fmt: skip
def test_of_a_payload_only_what_is_named_counts(expected: Any, differences: list[str]) -> None:
    assert expect(expected).differences(job_with(PAYLOAD)) == differences


def test_a_model_is_compared_as_it_is_written() -> None:
    job = job_with({"id": str(UUID(int=1)), "at": "2026-01-02T00:00:00Z"})
    assert expect(Spook(UUID(int=1))).differences(job) == []
    assert expect({"id": UUID(int=1), "at": NOW}).differences(job) == []
    (difference,) = expect(Spook(UUID(int=2))).differences(job)
    assert difference == f"payload /id is {str(UUID(int=1))!r}, expected {str(UUID(int=2))!r}"


def test_a_payload_that_is_no_json_differs() -> None:
    (difference,) = expect({"id": 1}).differences(job_with(payload_json=b"{"))
    assert difference == "payload  is '{', expected {'id': 1}"


@pytest.mark.parametrize(
    ("option", "value", "other"),
    [
        ("assigned_to", "thread:a", None),
        ("dedup_key", None, "k"),
        ("ordering_key", "k", None),
        ("priority", 2, 0),
        ("max_retries", 5, 3),
        ("retry_strategy", "exponential", "linear"),
        ("timeout", 3.0, None),
        ("traceparent", None, "t"),
        ("status", "success", JobStatus.PENDING),
        ("expires_at", NOW, None),
        ("run_at", NOW, NOW + timedelta(seconds=2)),
    ],
)
def test_each_option_counts(option: str, value: Any, other: Any) -> None:
    assert expect(**{option: value}).differences(job_with(**{option: value})) == []
    (difference,) = expect(**{option: value}).differences(job_with(**{option: other}))
    assert difference.startswith(f"{option} is ")


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"backend": "apo"}, UnknownBackend, "did you mean 'api'"),
        ({"path": "/order"}, UnknownRoute, "backend 'api' has no route '/order'"),
        ({"backend": None, "path": "/ordr"}, UnknownRoute, "did you mean '/order'"),
        ({"backend": None, "path": "POST /ordr"}, UnknownRoute, "did you mean 'POST /order'"),
        ({"options": {"asigned_to": 1}}, TypeError, "did you mean 'assigned_to'"),
        ({"options": {"run_at": datetime(2026, 1, 1)}}, OptionInvalid, "a datetime with a time zone"),
        ({"options": {"expires_at": datetime(2026, 1, 1)}}, OptionInvalid, "a datetime with a time zone"),
        ({"payload": {"a": [ANY, {"b": b"x"}]}}, PayloadNotJson, "/a/1/b: no payload holds bytes"),
        ({"payload": {"a": {1}}}, PayloadNotJson, "/a: no payload holds set"),
        ({"options": {"status": "pendign"}}, OptionInvalid, "expected one of pending, processing"),
        ({"options": {"retry_strategy": "linaer"}}, UnknownStrategy, "did you mean 'linear'"),
    ],
)
def test_what_no_job_can_be_is_refused(
    outbox: Outbox, fields: dict[str, Any], error: type[Exception], text: str
) -> None:
    whole = {"backend": "api", "path": "/boo", "payload": None, "options": {}} | fields
    with pytest.raises(error, match=text):
        Expectation(**whole).check(outbox.backends)
