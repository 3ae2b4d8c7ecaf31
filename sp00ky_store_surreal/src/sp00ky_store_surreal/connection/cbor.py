"""Encode requests and decode replies: CBOR by a compiled library; the SDK's is Python, and five times slower.

Nothing that a row holds keeps its reply from being read, and each statement's status is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from types import NoneType
from typing import Any
from uuid import UUID

import surrealdb
from cbor2 import CBORDecodeError, CBORDecoder, CBOREncoder, CBORTag, dumps, loads
from surrealdb import RecordID
from surrealdb.data.cbor import tag_decoder

from sp00ky_store_surreal.errors import reply_error, statement_error

DEEPEST = 2_000
"""Values in values: a database takes 256, each of which may be several here (a set, a range)."""

NONE, RECORD_ID, DECIMAL, DATETIME, SET = 6, 8, 10, 12, 56
"""Tags; the SDK doesn't know the last one (2.x)."""

NULL: object = getattr(surrealdb, "Null", None)
"""What the SDK's decoding makes of NULL: 3.x an object of its own, 2.x None."""

JSON_NULL: Any = surrealdb.cbor.CBORSimpleValue(22) if NULL is None else NULL
"""What to bind for a NULL within a value: None would be NONE, and an object would lack the field."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NULL = b"\xf6"
_NONE = bytes([0xC0 | NONE]) + _NULL  # null itself would be stored as NULL


class _Unreadable:
    """Stands for a value that has no form here. It is no JSON, so no payload is sent with it."""

    def __repr__(self) -> str:
        return "<a value that can't be read>"


UNREADABLE = _Unreadable()


def encoded(value: object) -> bytes:
    """Encode a request."""
    return dumps(value, encoders=_ENCODERS, timezone=UTC)


def decoded(data: bytes) -> Any:
    """Decode a reply; what can't be decoded in it is ``UNREADABLE``, a set is a list."""
    return loads(data, tag_hook=_value, max_depth=DEEPEST)


def record_of(news: bytes) -> RecordID | None:
    """Read the record that a LIVE notification is about; None: only the database can spell its key."""
    record = decoded(news)["result"]["record"]
    spelt = isinstance(record, RecordID) and isinstance(record.id, str | int | UUID)
    return record if spelt else None


def killed_query(news: bytes) -> UUID | None:
    """Read which LIVE query a notification says has ended, as with its table; None: it is about a record."""
    if b"KILLED" not in news:  # nearly always: to decode each would cost more
        return None
    notification = decoded(news)["result"]
    return notification["id"] if notification["action"] == "KILLED" else None


def number_of(data: bytes) -> object:
    """Find which call a reply answers that can't be decoded; None: it says so too late, or not at all."""
    decoder = CBORDecoder(BytesIO(data[1:]))  # past the head of a map
    try:
        return decoder.decode() if decoder.decode() == "id" else None
    except (CBORDecodeError, ValueError):
        return None


_ENCODERS: dict[type, Callable[[CBOREncoder, Any], object]] = {
    NoneType: lambda encoder, _: encoder.write(_NONE),
    RecordID: lambda encoder, record: encoder.encode_semantic(RECORD_ID, [record.table_name, record.id]),
    Decimal: lambda encoder, number: encoder.encode_semantic(DECIMAL, str(number)),
    type(JSON_NULL): lambda encoder, _: encoder.write(_NULL),
}


def _value(tag: CBORTag, immutable: bool) -> Any:  # the library's signature
    try:
        return _DECODERS.get(tag.tag, _other)(tag)
    except Exception:  # noqa: BLE001  # whatever it is, the other values of the reply are sound
        return UNREADABLE


def _instant(tag: CBORTag) -> datetime:
    seconds, nanoseconds = tag.value
    return _EPOCH + timedelta(0, seconds, nanoseconds // 1000)


def _record_id(tag: CBORTag) -> RecordID:
    table, key = tag.value
    return RecordID(table, dict(key) if isinstance(key, Mapping) else key)  # 3.x takes no frozen one


def _other(tag: CBORTag) -> Any:
    return tag_decoder(None, tag)  # type: ignore[arg-type]  # it asks the tag alone


_DECODERS: dict[int, Callable[[CBORTag], Any]] = {
    NONE: lambda _: None,
    RECORD_ID: _record_id,
    DATETIME: _instant,
    SET: lambda tag: list(tag.value),
}


def results_of(store: str, reply: Mapping[str, Any]) -> list[Any]:
    """Return each statement's result. Raises the error that says most, where there is one."""
    if "result" not in reply:
        raise reply_error(store, reply.get("error"))
    problem = statement_error(store, reply["result"])
    if problem is not None:
        raise problem
    return [result["result"] for result in reply["result"]]


def without_null(value: Any) -> Any:
    """Replace NULL by None in a value, for columns and JSON don't tell it from NONE."""
    if NULL is None:
        return value
    if isinstance(value, list):
        return [without_null(item) for item in value]
    if isinstance(value, dict):
        return {key: without_null(item) for key, item in value.items()}
    return None if value is NULL else value
