"""Write record ids as text, ``<table>:<key>``, and read them.

The key of a job is text, a whole number or a UUID. Rows with another are no jobs: an array's instants have
nanoseconds, which Python's don't, and what holds a range can't be named by any statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from surrealdb import RecordID

_BARE = re.compile(r"[A-Za-z0-9_]*[A-Za-z][A-Za-z0-9_]*")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_UUID = re.compile(r"u(['\"])([0-9a-fA-F-]{36})\1")
_PLAIN_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def id_text(value: RecordID) -> str:
    """Write an id of the SDK's as text."""
    return f"{_table_text(value.table_name)}:{_key_text(value.id)}"


def id_value(text: str) -> RecordID | None:
    """Return what to bind for an id's text; None where it names no record, or one that can be no job."""
    table, colon, key = text.partition(":")
    if not colon or not table:
        return None
    table = _unquoted(table)
    if key[:1] in {"[", "{"}:
        return None
    return RecordID(table, _key_value(key))


def id_values(texts: Iterable[str]) -> list[RecordID]:
    """Return what to bind for ids' texts, without those that ``id_value`` knows nothing for."""
    return [value for value in map(id_value, texts) if value is not None]


def own_id(text: str) -> str | None:
    """Return a job's id as it is written here, a UUID without hyphens; None: it can be no job's."""
    table, _, key = text.partition(":")
    hexadecimal = key.replace("-", "") if _PLAIN_UUID.fullmatch(key) else key
    value = id_value(f"{table}:{hexadecimal}")
    return None if value is None else id_text(value)


def table_of(text: str) -> str:
    """Return the table that an id's text names."""
    return _unquoted(text.partition(":")[0])


def literal_key(key: str) -> str:
    """Write a key that is a text for a statement."""
    return "⟨" + key.replace("\\", "\\\\").replace("⟩", "\\⟩") + "⟩"


def literal_id(value: RecordID) -> str:
    """Write an id, as ``id_value`` makes it, for a statement: a server finds no bound one in an index."""
    key = literal_key(value.id) if isinstance(value.id, str) else _key_text(value.id)
    return f"{literal_key(value.table_name)}:{key}"


def unfinished_key(text: str) -> str:
    """Return the first characters of a key that is a text, of an id that was cut off."""
    key = text.partition(":")[2]
    if key[:1] not in {"⟨", "`"}:
        return key
    return re.sub(r"\\(.)", r"\1", key[1:].removesuffix("⟩").removesuffix("`"), flags=re.DOTALL)


def _table_text(table: str) -> str:
    return table if ":" not in table else f"⟨{table}⟩"


def _key_text(key: object) -> str:
    if isinstance(key, str):
        return key if _BARE.fullmatch(key) else literal_key(key)
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
