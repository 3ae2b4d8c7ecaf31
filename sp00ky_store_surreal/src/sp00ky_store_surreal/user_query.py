"""Run a user's query, bounded in time, rows and bytes; its values are such that JSON has a form for them."""

from __future__ import annotations

import asyncio
import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import instant_to_json
from sp00ky_core.ports import QUERY_SECONDS
from sp00ky_store_surreal.connection.cbor import UNREADABLE
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.errors import TableMissing, reason_of
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.surql.loader import surql

MOST_BYTES = 8 * 2**20
"""Of all rows as JSON: the fire sends them in one message, whose size a server limits."""

BEYOND_SERVER = 5.0
"""Seconds that the client waits longer than the database may take."""

_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` | ⟨(?:[^⟩\\]|\\.)*⟩
    | (?:--|//|\#)[^\n\r\x85\u2028\u2029]* | /\*.*?\*/ | (?P<wrong>;|['"`⟨]|/\*)""",
    re.VERBOSE | re.DOTALL,
)
"""Texts, quoted names and comments; what is wrong stands in none of them, or begins one that has no end."""


async def query(connection: Connection, text: str, limit: int) -> list[Any]:
    """Run a query; users' queries are trusted as code is. Raises ``ValueError`` for one that is refused."""
    _check(text)
    statement = surql("user_query", query=text, timeout=f"{QUERY_SECONDS * 1_000:.0f}ms")
    try:
        async with asyncio.timeout(QUERY_SECONDS + BEYOND_SERVER):
            rows: list[Any] = _plain((await connection.read(statement, limit=limit))[-1][0])
    except TimeoutError as error:
        raise ValueError(f"it takes longer than {QUERY_SECONDS:.0f} seconds") from error
    except TableMissing as error:  # a table of the user's: to migrate wouldn't help
        raise ValueError(reason_of(error)) from error
    if len(encode(rows)) > MOST_BYTES:
        raise ValueError(f"its rows take more than {MOST_BYTES:,} bytes as JSON")
    return rows


def _check(query: str) -> None:
    """Look whether it is one SELECT. Raises ``ValueError``."""
    if not _SELECT.match(query):
        raise ValueError("it must begin with SELECT")
    wrong = next((token["wrong"] for token in _TOKEN.finditer(query) if token["wrong"]), None)
    if wrong is not None:
        raise ValueError("it must be one statement, without ;" if wrong == ";" else f"its {wrong} has no end")


def _plain(value: Any) -> Any:
    """Replace what JSON has no form for. Raises ``ValueError`` where nothing can take its place."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, RecordID) and isinstance(value.id, str | int | UUID):
        return id_text(value)
    if isinstance(value, datetime):
        return instant_to_json(value)
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, UUID | Decimal | float):
        return value if isinstance(value, float) and math.isfinite(value) else str(value)
    kind = value if value is UNREADABLE else type(value).__name__
    raise ValueError(f"its rows have what is no JSON, {kind}: write it as text in the query, <string>field")
