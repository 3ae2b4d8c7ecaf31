"""Declare the tables of endpoints and events, and turn rows into endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import attrs

from sp00ky_core.config import values
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.ports import Column, ExtensionTransaction, Index, Is, Kind, Row, Table
from sp00ky_webhooks.model import Endpoint, Target, passes
from sp00ky_webhooks.signatures import opened, sealed, secrets_of_text, valid

__all__ = ["ENDPOINTS", "EVENTS", "SUBSCRIPTIONS"]

T = TypeVar("T")
LONGEST_HEADERS = 8_192
"""Characters of all of an endpoint's headers: what servers take of a request's head."""

ENDPOINTS = Table(
    "sp00ky_endpoint",
    (
        Column("id", Kind.TEXT, length=64),
        Column("assigned_to", Kind.TEXT, length=255),
        Column("url", Kind.TEXT, required=True),
        Column("topics", Kind.TEXT, required=True),
        Column("filter", Kind.TEXT),
        Column("headers", Kind.TEXT),
        Column("secrets", Kind.TEXT, required=True),
        Column("rate", Kind.TEXT, length=64),
        Column("enabled", Kind.INTEGER, 1),
        Column("disabled_reason", Kind.TEXT),
        Column("failing_since", Kind.INSTANT),
        Column("not_before", Kind.INSTANT),
        Column("created_at", Kind.INSTANT, required=True),
        Column("updated_at", Kind.INSTANT, required=True),
    ),
    ("id",),
    (Index("owner", ("assigned_to",)), Index("failing", ("failing_since",))),
    version=1,
)

SUBSCRIPTIONS = Table(
    "sp00ky_endpoint_topic",
    (
        Column("assigned_to", Kind.TEXT, "", length=255),
        Column("pattern", Kind.TEXT, length=190),
        Column("endpoint_id", Kind.TEXT, length=64),
        Column("filter", Kind.TEXT),
        Column("not_before", Kind.INSTANT),
    ),
    ("assigned_to", "pattern", "endpoint_id"),
    (Index("endpoint", ("endpoint_id",)),),
    version=1,
)
"""One row for each pattern of an endpoint that is enabled: by the key an event finds whom it is for."""

EVENTS = Table(
    "sp00ky_event",
    (
        Column("id", Kind.TEXT, length=64),
        Column("topic", Kind.TEXT, length=190),
        Column("assigned_to", Kind.TEXT, length=255),
        Column("created_at", Kind.INSTANT, required=True),
    ),
    ("id",),
    (Index("created", ("created_at",)),),
    version=1,
)


def endpoint_of(row: Row) -> Endpoint:
    """Read an endpoint; of its headers only the names, of its secrets nothing; it may be malformed."""
    same = {field.name: row[field.name] for field in attrs.fields(Endpoint)}
    same |= {
        "topics": tuple(read_json(row["topics"], list)),
        "filter": read_json(row["filter"], dict) or None,
    }
    return Endpoint(**same | {"headers": tuple(_headers(row)[0]), "enabled": bool(row["enabled"])})


def target_of(row: Row, now: datetime) -> Target:
    """Read what a delivery needs of an endpoint. Raises ``Sealed``."""
    return Target(
        url=row["url"],
        secrets=tuple(one.secret for one in valid(secrets_of_text(row["secrets"]), now)),
        headers=dict(json.loads(opened(_headers(row)[1]))),
        assigned_to=row["assigned_to"],
        rate=row["rate"],
        enabled=bool(row["enabled"]),
        failing_since=row["failing_since"],
        version=version_of(row, now),
    )


def version_of(row: Row, now: datetime) -> object:
    """Return what changes with an endpoint, and every ten minutes: a secret ends by itself, too."""
    return row["updated_at"], now.timestamp() // 600


def headers_to_text(headers: Mapping[str, str]) -> str | None:
    """Write headers as they are stored: their names, and all of them, encrypted. Raises ``OptionInvalid``."""
    try:
        checked = values.headers(dict(headers), allowed=("authorization",))
    except (TypeError, ValueError) as problem:
        expected = f"headers that may be set: {problem}"
        raise OptionInvalid(option="headers", value="what was given", expected=expected) from None
    every = {name: secret.value for name, secret in checked.items()}
    if (size := sum(len(name) + len(value) for name, value in every.items())) > LONGEST_HEADERS:
        expected = f"at most {LONGEST_HEADERS} characters: servers take no more"
        raise OptionInvalid(option="headers", value=f"{size} characters", expected=expected)
    return json.dumps([sorted(every), sealed(json.dumps(every))]) if every else None


def _headers(row: Row) -> tuple[list[str], str]:
    """Return the names of an endpoint's headers, and what is encrypted."""
    names, kept = [*read_json(row["headers"], list), [], "{}"][:2]
    return (names, kept) if isinstance(names, list) and isinstance(kept, str) else ([], "{}")


def resealed(row: Row) -> Row:
    """Return what is secret of an endpoint, encrypted anew. Raises ``Sealed``."""
    names, kept = _headers(row)
    headers = json.dumps([names, sealed(opened(kept))]) if names else None
    return {"secrets": sealed(opened(row["secrets"])), "headers": headers}


def read_json(text: str | bytes | None, kind: type[T]) -> T:
    """Read a value of a kind; an empty one where it isn't that."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        value = None
    return value if isinstance(value, kind) else kind()


def wants(row: Row, payload: Any) -> bool:
    """Tell whether a payload passes the filter of a subscription; nothing passes one that can't be read."""
    conditions = read_json(row["filter"], dict)
    return passes(payload, conditions) and bool(conditions or not row["filter"])


def subscriptions_of(row: Row) -> list[Row]:
    """Make the rows by which an endpoint is found; none where it is disabled."""
    own = {"assigned_to": row["assigned_to"] or "", "endpoint_id": row["id"]}
    own |= {"filter": row["filter"], "not_before": row["not_before"]}
    return (
        [{**own, "pattern": pattern} for pattern in read_json(row["topics"], list)] if row["enabled"] else []
    )


async def subscribe(tx: ExtensionTransaction, row: Row) -> None:
    """Write the rows by which an endpoint is found, in the place of those before."""
    await tx.delete(SUBSCRIPTIONS, [Is("endpoint_id", "=", row["id"])])
    if rows := subscriptions_of(row):
        await tx.insert(SUBSCRIPTIONS, rows)
