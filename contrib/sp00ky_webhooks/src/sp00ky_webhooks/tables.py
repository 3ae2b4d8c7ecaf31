"""Declare the tables of endpoints and events, and turn rows into endpoints."""

from __future__ import annotations

import json
from datetime import datetime

from sp00ky_core.ports import Column, ExtensionTransaction, Index, Is, Kind, Row, Table
from sp00ky_webhooks.model import Endpoint, Target
from sp00ky_webhooks.signatures import opened, secrets_of_text, valid

__all__ = ["ENDPOINTS", "EVENTS", "SUBSCRIPTIONS"]

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
    """Read an endpoint; of its headers only the names, of its secrets nothing."""
    headers = json.loads(row["headers"] or "[]")[:1]
    return Endpoint(
        **{name: row[name] for name in ("id", "url", "assigned_to", "rate", "disabled_reason")},
        **{name: row[name] for name in ("failing_since", "not_before", "created_at", "updated_at")},
        topics=tuple(json.loads(row["topics"])),
        filter=json.loads(row["filter"]) if row["filter"] else None,
        headers=tuple(headers[0]) if headers else (),
        enabled=bool(row["enabled"]),
    )


def target_of(row: Row, now: datetime) -> Target:
    """Read what a delivery needs of an endpoint. Raises ``Sealed``."""
    return Target(
        url=row["url"],
        secrets=tuple(one.secret for one in valid(secrets_of_text(row["secrets"]), now)),
        headers=headers_of(row["headers"]),
        rate=row["rate"],
        enabled=bool(row["enabled"]),
        failing_since=row["failing_since"],
        version=row["updated_at"],
    )


def headers_of(text: str | None) -> dict[str, str]:
    """Read headers as they are stored. Raises ``Sealed``."""
    return dict(json.loads(opened(json.loads(text)[1]))) if text else {}


def subscriptions_of(row: Row) -> list[Row]:
    """Make the rows by which an endpoint is found; none where it is disabled."""
    own = {"assigned_to": row["assigned_to"] or "", "endpoint_id": row["id"]}
    own |= {"filter": row["filter"], "not_before": row["not_before"]}
    return [{**own, "pattern": pattern} for pattern in json.loads(row["topics"])] if row["enabled"] else []


async def subscribe(tx: ExtensionTransaction, row: Row) -> None:
    """Write the rows by which an endpoint is found, in the place of those before."""
    await tx.delete(SUBSCRIPTIONS, [Is("endpoint_id", "=", row["id"])])
    if rows := subscriptions_of(row):
        await tx.insert(SUBSCRIPTIONS, rows)
