"""A job is compared with what a test expects, and each difference is said."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import attrs
import pytest

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.errors import OptionInvalid, PayloadNotJson, UnknownBackend, UnknownRoute, UnknownStrategy
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import assert_enqueued, refute_enqueued
from sp00ky_core.testing.enqueued import Expectation

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
    assert [*expect(expected).differences(job_with(PAYLOAD))] == differences


def test_a_model_is_compared_as_it_is_written() -> None:
    job = job_with({"id": str(UUID(int=1)), "at": "2026-01-02T00:00:00Z"})
    assert [*expect(Spook(UUID(int=1))).differences(job)] == []
    assert [*expect({"id": UUID(int=1), "at": NOW}).differences(job)] == []
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
    assert [*expect(**{option: value}).differences(job_with(**{option: value}))] == []
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


class Connection:
    """Stands for a database's: the memory store knows one by what it can."""

    def execute(self) -> None:
        """See any driver."""


async def test_what_was_enqueued_is_found(outbox: Outbox) -> None:
    one = await outbox.run("api", "/spookify", {"id": "1", "n": 1}, delay=timedelta(minutes=5))
    two = await outbox.run("api", "/spookify", {"id": "2", "n": 1}, connection=Connection())
    await outbox.run("shop", "/order")
    delay = timedelta(minutes=5)
    assert await assert_enqueued(outbox, "api", "/spookify", {"id": "1"}, delay=delay) == [one]
    assert await assert_enqueued(outbox, "api", "/spookify", payload={"n": 1}, count=2) == [two, one]
    assert await assert_enqueued(outbox, "api", "/spookify", count=2, connection=Connection()) == [two, one]
    await assert_enqueued(outbox, "api", "/spookify", payload={"n": 2}, count=0)
    await refute_enqueued(outbox, "api", "/spookify", payload={"n": 2})
    await refute_enqueued(outbox, path="/boo")
    with pytest.raises(AssertionError, match="expected no job like api /spookify"):
        await refute_enqueued(outbox, "api", "POST /spookify")
    with pytest.raises(AssertionError, match="expected 1 job like api /spookify, found 2"):
        await assert_enqueued(outbox, "api", "POST /spookify")


async def test_a_failure_says_what_was_and_what_is_nearest(outbox: Outbox) -> None:
    await outbox.run("shop", "/order", {"id": "3"})
    near = await outbox.run("api", "/spookify", {"id": "1", "n": 1}, assigned_to="thread:a")
    far = await outbox.run("api", "/spookify", {"id": "2", "n": 2})
    with pytest.raises(AssertionError) as caught:
        await assert_enqueued(outbox, "api", "/spookify", payload={"id": "1", "n": 2}, assigned_to="thread:a")
    text = str(caught.value).splitlines()
    assert text[0] == ('expected 1 job like api /spookify {"id":"1","n":2} assigned_to=\'thread:a\', found 0')
    assert text[1:3] == [f"the nearest one is {near.id}:", "  payload /n is 1, expected 2"]
    assert text[3] == "enqueued, newest first (3):"
    assert [far.id in text[4], near.id in text[5], "shop /order" in text[6]] == [True] * 3
    assert len(text) == 7


async def test_the_nearest_one_is_of_the_same_route(outbox: Outbox) -> None:
    near = await outbox.run("api", "/spookify", {"a": 1, "b": 1, "c": 1})
    await outbox.run("api", "/boo", {"a": 2, "b": 2, "c": 2})
    with pytest.raises(AssertionError, match=f"the nearest one is {near.id}"):
        await assert_enqueued(outbox, "api", "/spookify", payload={"a": 2, "b": 2, "c": 2})


async def test_a_failure_of_one_that_must_not_be(outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    with pytest.raises(AssertionError) as caught:
        await refute_enqueued(outbox, "api", "/spookify")
    assert str(caught.value) == (
        f"expected no job like api /spookify, found 1\n  api /spookify {{}} (pending, {job.id})"
    )
    with pytest.raises(AssertionError, match=r"^expected no job, found 1\n"):
        await refute_enqueued(outbox)


async def test_an_older_job_counts_however_many_are_newer(outbox: Outbox) -> None:
    await outbox.run("api", "/spookify", {"id": "first"})
    await outbox.run_many("api", [NewJob(path="/spookify")] * 1_000)
    await assert_enqueued(outbox, "api", "/spookify", payload={"id": "first"})
    with pytest.raises(AssertionError, match="expected no job like"):
        await refute_enqueued(outbox, "api", "/spookify", payload={"id": "first"})


async def test_where_nothing_is_seen_the_connection_is_asked_for(outbox: Outbox) -> None:
    with pytest.raises(AssertionError, match="nothing was enqueued; jobs of an open transaction"):
        await assert_enqueued(outbox, "api", "/spookify")
    with pytest.raises(AssertionError, match=r"nothing was enqueued$"):
        await assert_enqueued(outbox, "api", "/spookify", connection=Connection())


async def test_a_misspelt_route_is_not_taken_for_nothing(outbox: Outbox) -> None:
    with pytest.raises(UnknownRoute):
        await refute_enqueued(outbox, "api", "/spookfy")


def test_synchronous_code_calls_them(sync_outbox: SyncOutbox) -> None:
    job = sync_outbox.run("api", "/spookify", {"id": "1"}, connection=Connection())
    assert assert_enqueued(sync_outbox, "api", "/spookify", payload={"id": "1"}) == [job]
    assert assert_enqueued(sync_outbox, "api", "/spookify", connection=Connection()) == [job]
    refute_enqueued(sync_outbox, "shop")
    with pytest.raises(AssertionError, match="payload /id is '1', expected '2'"):
        assert_enqueued(sync_outbox, "api", "/spookify", payload={"id": "2"}, connection=Connection())
    with pytest.raises(AssertionError, match="found 1"):
        refute_enqueued(sync_outbox, connection=Connection())
