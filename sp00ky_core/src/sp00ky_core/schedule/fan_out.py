"""Turn the rows of ``forEach.query`` into keys and payloads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.config.schedules import ForEachConfig
from sp00ky_core.contract.operation import Operation
from sp00ky_core.contract.splitting import is_explicit
from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job_options import is_plain_text
from sp00ky_core.ports.schedules import MAX_ROWS

__all__ = ["FanOut", "fan_out", "with_row"]

LONGEST_KEY = 255
"""Characters."""

Row = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class FanOut:
    """The rows that make jobs.

    Attributes:
        rows: By key; of a key that comes twice the first row counts.
        problem: What is left out, in words; None: nothing is.
    """

    rows: Mapping[str, Row]
    problem: str | None = None


def fan_out(for_each: ForEachConfig, rows: Sequence[Row]) -> FanOut:
    """Choose the rows that make jobs: the first ``MAX_ROWS``, of those that have a key."""
    found: dict[str, Row] = {}
    unusable: list[int] = []
    for number, row in enumerate(rows[:MAX_ROWS], 1):
        key = _key_of(row.get(for_each.key))
        if key is None:
            unusable.append(number)
        else:
            found.setdefault(key, row)
    problems = [_unusable(for_each.key, unusable)] if unusable else []
    if len(rows) > MAX_ROWS:
        problems.append(f"the query gives more than {MAX_ROWS:,} rows: those beyond made no job")
    return FanOut(rows=found, problem="; ".join(problems) or None)


def with_row(payload: Mapping[str, Any], row: Row, operation: Operation | None) -> dict[str, Any]:
    """Return a schedule's payload with a row in it, as ``row``; of an explicit one, in its body.

    What is no object can't hold one: then it stands beside the rest, where the contract refuses it.
    """
    has_fields = operation is not None and any(body.has_fields for body in operation.bodies[:1])
    body = payload.get("$body", {})
    if operation is not None and has_fields and isinstance(body, Mapping) and is_explicit(operation, payload):
        return {**payload, "$body": {**body, "row": dict(row)}}
    return {**payload, "row": dict(row)}


def _unusable(key: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"row {numbers[0]} has no {key!r} that can be a key"
    return f"{len(numbers):,} rows have no {key!r} that can be a key, the first is row {numbers[0]}"


def _key_of(value: Any) -> str | None:
    """Write a row's key as text; None: it is missing, too long, or no database can hold it."""
    if value is None:
        return None
    key = value if isinstance(value, str) else encode(value).decode()
    return key if 0 < len(key) <= LONGEST_KEY and is_plain_text(key) else None
