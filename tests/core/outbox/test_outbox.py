"""Payloads and options that can't be are a named error before anything is written or asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core import Outbox, TimeoutIgnored
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.errors import OptionInvalid, PayloadError, PayloadNotJson, Sp00kyError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery

SPEC = '{"openapi": "3.1.0", "info": {"title": "api", "version": "1"}, "paths": {"/a": {"post": {}}}}'
BACKEND = "{spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}, maxPayloadBytes: 900000}"

REFUSED: Mapping[str, Any] = {
    "NUL": {"a": ["\0"]},
    "NUL in a key": {"a": {"b\0": 1}},
    "NUL as text": JsonText(rb'{"a": "\u0000"}'),
    "NUL raw": JsonText(b'{"a": "\0"}'),
    "infinite": {"a": float("inf")},
    "thousands of digits": {"a": 10**5_000},
    "thousands of digits as text": JsonText(b'{"a": %s}' % (b"9" * 5_000)),
    "too deep": JsonText(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "no UTF-8": JsonText(b'{"a": "\xff"}'),
}


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    (tmp_path / "openapi.json").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\nstore: memory://\n")
    async with Outbox.open(tmp_path / "sp00ky.yml", store="memory://") as outbox:
        yield outbox


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)
async def test_it_is_refused_and_nothing_is_written(outbox: Outbox, payload: Any) -> None:
    with pytest.raises(PayloadNotJson) as caught:
        await outbox.run("api", "/a", payload)
    assert "\n" not in str(caught.value)
    with pytest.raises(PayloadNotJson):
        await outbox.run_many("api", [NewJob(path="/a"), NewJob(path="/a", payload=payload)])
    assert await outbox.find() == []


async def test_an_error_of_a_batch_notes_which_job_it_is(outbox: Outbox) -> None:
    fine, nul, elsewhere = NewJob(path="/a"), NewJob(path="/a", payload={"a": "\0"}), NewJob(path="/b")
    for refused in (nul, elsewhere):
        with pytest.raises(Sp00kyError) as caught:
            await outbox.run_many("api", [fine, fine, refused])
        assert caught.value.__notes__ == ["it is new_jobs[2]"]
    with pytest.raises(Sp00kyError) as caught:
        await outbox.run("api", "/b")
    assert not hasattr(caught.value, "__notes__")
    assert await outbox.find() == []


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [({"a": [1, {"b": "\0"}]}, "/a/1/b"), ({"a": {"b\0": 1}}, "/a/b\\0"), (JsonText(b"{"), "")],
)
async def test_what_no_database_can_hold_is_named(outbox: Outbox, payload: Any, pointer: str) -> None:
    with pytest.raises(PayloadError) as caught:
        await outbox.run("api", "/a", payload)
    assert caught.value.pointer == pointer
    assert [violation.pointer for violation in caught.value.violations] == [pointer]


QUERIES: Mapping[str, Any] = {
    "NUL": {"assigned_to": "\0"},
    "a lone surrogate": {"assigned_to": "thread:\ud800"},
    "NUL in the path": {"path": "/\0"},
    "NUL in a name": {"error_name": "\0"},
    "a negative code": {"code": -1},
    "a code beyond every database's": {"code": 2**31},
    "a code as text": {"code": "500"},
    "a day without a time zone": {"since": datetime(2026, 1, 1)},
    "an instant beyond every calendar": {"until": datetime(9999, 12, 31, tzinfo=UTC)},
    "an instant as text": {"since": "2h"},
    "no text": {"path": 3},
    "negative": {"limit": -1},
    "huge": {"limit": 10**30},
    "a number as text": {"limit": "5"},
    "none": {"limit": None},
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_what_no_database_can_look_for_is_refused(outbox: Outbox, query: dict[str, Any]) -> None:
    (option,) = query
    with pytest.raises(OptionInvalid, match=f"{option} is .*; expected "):
        await outbox.find(**query)
    with pytest.raises(OptionInvalid):
        JobQuery(**query)


JOB = NewJob(path="/a")


async def test_a_lost_transaction_does_not_become_a_committed_job(outbox: Outbox) -> None:
    for enqueueing in (
        outbox.run("api", "/a", connection=None),
        outbox.run_many("api", [JOB], connection=None),
        outbox.run_many("api", [], connection=None),
    ):
        with pytest.raises(OptionInvalid, match="connection is None; expected your connection"):
            await enqueueing
    assert await outbox.find() == []


async def ignored(outbox: Outbox, how: str) -> None:
    """Enqueue in each way, with a ``timeout`` that has no effect."""
    if how == "run":
        await outbox.run("api", "/a", timeout=5)
    elif how == "run_many":
        await outbox.run_many("api", [NewJob(path="/a", timeout=5), NewJob(path="/a", timeout=6)])
    else:
        await asyncio.create_task(outbox.run("api", "/a", timeout=5))


async def test_a_timeout_without_effect_is_never_told_of_the_event_loop(outbox: Outbox) -> None:
    with pytest.warns(TimeoutIgnored) as told:
        await ignored(outbox, "task")
    (one,) = told
    assert "asyncio" not in Path(one.filename).parts
    assert "sp00ky_core" not in Path(one.filename).parts
