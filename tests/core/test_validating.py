"""Payloads and options that can't be are a named error before anything is written or asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core import Outbox
from sp00ky_core.errors import OptionInvalid, PayloadNotJson, PayloadTooLarge
from sp00ky_core.job import NewJob
from sp00ky_core.jsontext import JsonText
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


async def test_a_hundred_megabytes_are_refused_by_size(outbox: Outbox) -> None:
    payload = JsonText(b'{"a": "%s"}' % (b"x" * 100_000_000))
    with pytest.raises(PayloadTooLarge, match="maxPayloadBytes"):
        await outbox.run("api", "/a", payload)
    assert await outbox.find() == []


@pytest.mark.parametrize("payload", [{"a": "\\u0000"}, {"\\u0000": [None, "b"]}, {"a": 2**64}], ids=repr)
async def test_what_only_looks_like_it_is_taken(outbox: Outbox, payload: dict[str, Any]) -> None:
    assert (await outbox.run("api", "/a", payload)).payload == payload


EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("hours", [-12, 0, 12])
@pytest.mark.parametrize("run_at", [datetime.min, datetime.max, datetime(9999, 12, 30, 13)], ids=str)
def test_an_instant_beyond_every_database_s_calendar_is_refused(run_at: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    with pytest.raises(OptionInvalid, match="expected an instant from 0001-01-02 to 9999-12-30"):
        NewJob(path="/a", run_at=run_at.replace(tzinfo=zone))


def test_the_first_and_the_last_instant_are_taken() -> None:
    assert NewJob(path="/a", run_at=EARLIEST).run_at == EARLIEST
    assert NewJob(path="/a", run_at=LATEST).run_at == LATEST


QUERIES: Mapping[str, Any] = {
    "NUL": {"assigned_to": "\0"},
    "a lone surrogate": {"assigned_to": "thread:\ud800"},
    "NUL in the path": {"path": "/\0"},
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


async def test_a_page_may_be_empty_or_very_long(outbox: Outbox) -> None:
    job = await outbox.run("api", "/a", {})
    assert await outbox.find(limit=0) == []
    assert await outbox.find(limit=2**63 - 1) == [job]
