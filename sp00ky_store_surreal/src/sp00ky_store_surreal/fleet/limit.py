"""Keep a backend's rate and its attempts in flight, in the whole fleet: what a claim may take."""

from __future__ import annotations

from typing import Any

from surrealdb import RecordID

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.surql.claim_parts import unleased_bindings
from sp00ky_store_surreal.surql.loader import quoted, surql

__all__ = ["COLLIDED", "limit_bindings", "limited", "limited_at_once", "wait_after"]

COLLIDED = 0.02
"""Seconds until the next claim of one that collided with another runner's, again and again."""

FULL = 0.25
"""Seconds until the next claim where as many attempts as may be are in flight."""


def limited(choice: str, part: str, table: JobTable, n: str) -> str:
    """Write a part of a claim so that it takes no more than the limits leave.

    Ids are chosen before, so that runners collide for no longer than to take tokens and jobs; without a token
    nothing is chosen.

    Args:
        choice: Chooses the ids.
        part: Claims them.
        table: Their table.
        n: Its number in the statement.
    """
    if not table.has_limits:
        return choice + part
    return surql("tokenless", n=n) + choice + limited_at_once(part, table, n)


def limited_at_once(part: str, table: JobTable, n: str) -> str:
    """Write the same for ids that are known, in one transaction."""
    if not table.has_limits:
        return f"BEGIN;{part}COMMIT;"
    limit = surql("limit", n=n, table=quoted(table.table))
    return f"BEGIN;{limit}{part}{surql('charge', n=n)}COMMIT;"


def limit_bindings(table: JobTable) -> dict[str, Any]:
    """Build what ``limit.surql`` binds."""
    if not table.has_limits:
        return {}
    return {
        "control": RecordID("sp00ky_control", table.backend),
        "rate": None if table.rate is None else table.rate.per_second,
        "burst": None if table.rate is None else table.rate.burst,
        "most": table.max_in_flight,
        **unleased_bindings(table),
    }


def wait_after(table: JobTable, asked: int, taken: int, *, tokens: float | None, flying: int) -> float | None:
    """Return the seconds until another claim may get what this one had to leave; None: it left nothing.

    Args:
        table: The backend's.
        asked: Slots of the claim.
        taken: Jobs that it got.
        tokens: Requests that might have been made before it.
        flying: Attempts in flight before it.
    """
    if taken >= asked:
        return None
    waits = []
    if table.rate is not None and tokens is not None and tokens - taken < 1:
        waits.append((1 - (tokens - taken)) / table.rate.per_second)
    if table.max_in_flight is not None and flying + taken >= table.max_in_flight:
        waits.append(FULL)
    return max(waits, default=None)
