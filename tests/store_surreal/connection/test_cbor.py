"""Requests and replies as bytes: nothing that a row holds keeps its reply from being read."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import cbor2
import pytest
from surrealdb import RecordID

from sp00ky_store_surreal.connection.cbor import UNREADABLE, decoded, encoded, number_of

ID = UUID("00000000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    "value", [1, -1, 2**63 - 1, 1.5, "é", b"\0", [], {"a": [None, True]}, None, ID, Decimal("1.10")]
)
def test_there_and_back(value: Any) -> None:
    assert decoded(encoded(value)) == value


@pytest.mark.parametrize("key", ["a", 7, ID])
def test_a_record_s_id(key: Any) -> None:
    found = decoded(encoded(RecordID("job", key)))
    assert (found.table_name, found.id) == ("job", key)


def test_an_instant_keeps_its_microseconds() -> None:
    assert decoded(cbor2.dumps(cbor2.CBORTag(12, [1, 999_999_999]))) == datetime(
        1970, 1, 1, 0, 0, 1, 999_999, UTC
    )


@pytest.mark.parametrize(
    "tag", [cbor2.CBORTag(12, [10**15, 0]), cbor2.CBORTag(9, "no uuid"), cbor2.CBORTag(8, 1)]
)
def test_a_value_that_cannot_be_read_costs_no_other(tag: cbor2.CBORTag) -> None:
    assert decoded(cbor2.dumps({"bad": tag, "good": 1})) == {"bad": UNREADABLE, "good": 1}


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        (cbor2.dumps({"id": "7", "result": 1}), "7"),
        (cbor2.dumps({"id": "7"})[: -0 or None] + b"\xff", "7"),
        (cbor2.dumps({"result": 1, "id": "7"}), None),
        (b"\xa1", None),
        (b"", None),
    ],
)
def test_which_call_a_reply_answers(reply: bytes, number: object) -> None:
    assert number_of(reply) == number
