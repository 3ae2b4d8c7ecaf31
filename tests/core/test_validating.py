"""Payloads that can't be are a named error before anything is written, however they are enqueued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core import Outbox
from sp00ky_core.errors import PayloadNotJson, PayloadTooLarge
from sp00ky_core.job import NewJob
from sp00ky_core.jsontext import JsonText

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
