"""Record ids as text and back: ``<table>:<key>``, whatever the key is.

Text, whole numbers and UUIDs are turned here. Arrays and objects as keys stay in the database's own notation:
their instants have nanoseconds, which Python's don't.
"""

from __future__ import annotations

import re
from uuid import UUID

from surrealdb import RecordID

__all__ = ["bare_table", "id_text", "id_value", "is_composite", "same_table", "table_of"]

_BARE = re.compile(r"[A-Za-z0-9_]*[A-Za-z][A-Za-z0-9_]*")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_UUID = re.compile(r"u(['\"])([0-9a-fA-F-]{36})\1")
_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[a-zµ0-9]*"  # of any kind, and durations
_NAME = r"`(?:\\.|[^`\\])*`|⟨(?:\\.|[^⟩\\])*⟩"
_LITERAL = re.compile(
    r"\s+|[\[\]{},]|>?\.\.=?"
    r"|[du]?'(?:\\.|[^'\\])*'|[dub]?\"(?:\\.|[^\"\\])*\""
    rf"|(?:[A-Za-z_]\w*|{_NAME})(?=\s*:(?!:))|:(?!:)(?:\w+|{_NAME})?"  # an object's key; a record
    rf"|{_NUMBER}|\({_NUMBER}, {_NUMBER}\)"
    r"|(?:NONE|NULL|true|false|NaN|-?inf|-?Infinity)\b",
    re.DOTALL | re.ASCII,
)
"""What a key that is an array or an object is written with. Nothing else: the embedded engine carries out
statements that it finds in a text to be cast."""

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def id_text(value: object) -> str:
    """An id as text: of the SDK's record id, or of what ``id_value`` left as text."""
    if not isinstance(value, RecordID):
        return str(value)
    return f"{_table_text(value.table_name)}:{_key_text(value.id)}"


def id_value(text: str) -> RecordID | str | None:
    """What to bind for an id's text; None where it names no record.

    A ``str`` is an id whose key is an array or an object, to be cast by ``<record>`` in the statement.
    """
    table, colon, key = text.partition(":")
    if not colon or not table:
        return None
    table = _unquoted(table)
    if key[:1] in {"[", "{"}:
        return text if _is_literal(key) else None
    return RecordID(table, _key_value(key))


def is_composite(value: RecordID | str) -> bool:
    """Whether the key is an array or an object."""
    return isinstance(value, str)


def table_of(text: str) -> str:
    """The table that an id's text names."""
    return _unquoted(text.partition(":")[0])


def same_table(text: str, table: str) -> bool:
    """Whether an id's text names a row of this table."""
    return table_of(text) == table


def bare_table(table: str) -> str:
    """A table's name before a key, as it is written by a database that puts no keyword in quotes (2.3)."""
    return table if re.fullmatch(r"\w+", table, re.ASCII) else f"⟨{table}⟩"


def _table_text(table: str) -> str:
    return table if ":" not in table else f"⟨{table}⟩"


def _key_text(key: object) -> str:
    if isinstance(key, str):
        return key if _BARE.fullmatch(key) else "⟨" + key.replace("\\", "\\\\").replace("⟩", "\\⟩") + "⟩"
    return f"u'{key}'" if isinstance(key, UUID) else str(key)


def _key_value(key: str) -> str | int | UUID:
    if key[:1] in {"⟨", "`"}:
        return _unquoted(key)
    if _WHOLE.fullmatch(key) and _LOWEST <= int(key) <= _HIGHEST:
        return int(key)
    quoted = _UUID.fullmatch(key)
    if quoted:
        try:
            return UUID(quoted[2])
        except ValueError:
            return key
    return key


def _unquoted(text: str) -> str:
    if len(text) > 1 and (text[0], text[-1]) in {("⟨", "⟩"), ("`", "`")}:
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def _is_literal(key: str) -> bool:
    """Whether it is one value, spelt out: nothing to be computed, and no range of keys."""
    place = depth = 0
    while place < len(key):
        token = _LITERAL.match(key, place)
        if token is None or (place and not depth):
            return False
        depth += (token[0] in {"[", "{"}) - (token[0] in {"]", "}"})
        place = token.end()
    return depth == 0 and "\0" not in key
