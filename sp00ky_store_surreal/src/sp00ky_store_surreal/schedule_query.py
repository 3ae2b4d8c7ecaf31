"""Run a user's query, bounded in time, rows and bytes; its rows are JSON objects."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from surrealdb import RecordID

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.errors import QueryRefused, SchemaError, StoreClosed, StoreError, StoreUnavailable
from sp00ky_core.job.job import instant_to_json
from sp00ky_core.ports import QUERY_SECONDS
from sp00ky_store_surreal.connection.cbor import UNREADABLE
from sp00ky_store_surreal.errors import Conflict, PlaceMissing, TableMissing, reason_of
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.schema.readiness import Readiness
from sp00ky_store_surreal.surql.loader import surql

MOST_BYTES = 8 * 2**20
"""Of all rows as JSON: the fire sends them in one message, whose size a server limits."""

BEYOND_SERVER = 5.0
"""Seconds that the client waits longer than the database may take."""

NOT_ITS_FAULT = (StoreUnavailable, StoreClosed, Conflict, PlaceMissing)
"""Errors of a database that is away, or at odds with another transaction."""

_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` | ⟨(?:[^⟩\\]|\\.)*⟩
    | (?:--|//|\#)[^\n\r\x85\u2028\u2029]* | /\*.*?\*/ | (?P<wrong>;|['"`⟨]|/\*)""",
    re.VERBOSE | re.DOTALL,
)
"""Texts, quoted names and comments; what is wrong stands in none of them, or begins one that has no end."""


async def query_rows(ready: Readiness, query: str, limit: int) -> list[Mapping[str, Any]]:
    """See ``Schedules.query_rows``; users' queries are trusted as code is."""
    location = ready.connection.target.location
    try:
        _check(query)
        connection = await ready.ensure()
        timeout = f"{QUERY_SECONDS * 1_000:.0f}ms"
        statement = surql("schedule_query", query=query, timeout=timeout)
        async with asyncio.timeout(QUERY_SECONDS + BEYOND_SERVER):
            reply = await connection.read(statement, limit=limit)
        return _json_rows(reply[-1][0])
    except TimeoutError as error:
        raise _refusal(location, f"it takes longer than {QUERY_SECONDS:.0f} seconds") from error
    except ValueError as error:
        raise _refusal(location, str(error)) from error
    except StoreError as error:
        if isinstance(error, NOT_ITS_FAULT):
            raise
        if isinstance(error, SchemaError) and not isinstance(error, TableMissing):
            raise
        raise _refusal(location, reason_of(error)) from error


def _refusal(location: str, problem: str) -> QueryRefused:
    return QueryRefused(store=location, problem=f"the query is refused: {problem}")


def _check(query: str) -> None:
    """Look whether it is one SELECT. Raises ``ValueError``."""
    if not _SELECT.match(query):
        raise ValueError("it must begin with SELECT")
    wrong = next((token["wrong"] for token in _TOKEN.finditer(query) if token["wrong"]), None)
    if wrong is not None:
        raise ValueError("it must be one statement, without ;" if wrong == ";" else f"its {wrong} has no end")


def _json_rows(rows: Any) -> list[Mapping[str, Any]]:
    """Write rows as JSON has them. Raises ``ValueError`` where that can't be."""
    made, size = [], 0
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            problem = f"its row {number} is no object (a query with VALUE gives none)"
            raise ValueError(problem)  # noqa: TRY004  # of the query, not of a caller's type
        made.append(_json(row))
        size += len(encode(made[-1]))
        if size > MOST_BYTES:
            raise ValueError(f"its rows take more than {MOST_BYTES:,} bytes as JSON")
    return made


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return instant_to_json(value)
    if isinstance(value, RecordID) and isinstance(value.id, str | int | UUID):
        return id_text(value)
    if isinstance(value, UUID | Decimal | float):
        return str(value)
    kind = value if value is UNREADABLE else type(value).__name__
    raise ValueError(f"its rows have what is no JSON, {kind}: write it as text in the query, <string>field")
