"""Payloads from a file, at the edges of what they may be, and past them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"\xff\xfe{", "JSON"),
        (b'{"id": "\xff"}', "it is not UTF-8; save it as UTF-8"),
        (b'{"id": "1", "x": {"y": 1, "y": 1}}', "the key 'y' is there twice"),
        (b"", "JSON"),
        (b"[" * 100_000, "nested"),
        (b'"text"', "object"),
        (b'{"id": "\\ud800"}', "surrogate"),
        (json.dumps({"id": "x" * 2**20}).encode(), "limit"),
    ],
)
def test_a_payload_file_that_is_no_object_is_said(
    migrated: Path, sp00ky: Any, payload: bytes, said: str
) -> None:
    (migrated / "payload.json").write_bytes(payload)
    line = sp00ky("call", "api", "/json", "@payload.json").complaint(2)
    assert said in line
    assert len(line) < 300
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


@pytest.mark.parametrize("payload", ["@", "@.", "@nowhere"])
def test_a_payload_file_that_cannot_be_read_is_said(migrated: Path, sp00ky: Any, payload: str) -> None:
    assert f"PAYLOAD {payload}: " in sp00ky("call", "api", "/json", payload).complaint(2)


def test_a_payload_may_start_with_a_byte_order_mark(migrated: Path, sp00ky: Any) -> None:
    """Some editors write one."""
    (migrated / "payload.json").write_bytes(b'\xef\xbb\xbf{"id": "1"}')
    assert sp00ky("call", "api", "/json", "@payload.json", "--json").json["payload"] == {"id": "1"}
