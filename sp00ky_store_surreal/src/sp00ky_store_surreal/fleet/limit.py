"""Keep a backend's rate and its attempts in flight, in the whole fleet: what a claim may take."""

from __future__ import annotations

import math
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.ports import JobTable
from sp00ky_core.stores import Allowance
from sp00ky_store_surreal.surql.claim_parts import TRUSTED, Asked, longest_lease
from sp00ky_store_surreal.surql.loader import quoted, surql


def limited(
    choice: str, part: str, table: JobTable, n: str, *, at_once: bool = False, asked: Asked = TRUSTED
) -> str:
    """Write a part of a claim so that it takes no more than the limits leave.

    Ids are chosen before, so that runners collide for no longer than to take tokens and jobs; without a token
    nothing is chosen.

    Args:
        choice: Chooses the ids.
        part: Claims them.
        table: Their table.
        n: Its number in the statement.
        at_once: Whether the part is one transaction where there are no limits, too.
        asked: What is asked of each row that is counted.
    """
    if table.has_limits:
        choice = surql("rate_pause_without_token", n=n) + choice
    return choice + (limited_at_once(part, table, n, asked) if at_once or table.has_limits else part)


def limited_at_once(part: str, table: JobTable, n: str, asked: Asked = TRUSTED) -> str:
    """Write the same for ids that are known, in one transaction."""
    if not table.has_limits:
        return f"BEGIN;{part}COMMIT;"
    limit = surql(
        "limit_cut_claim",
        n=n,
        table=quoted(table.table),
        held=asked.held,
        longest_lease=longest_lease(table),
    )
    return f"BEGIN;{limit}{part}{surql('rate_charge', n=n)}COMMIT;"


def limit_bindings(table: JobTable) -> dict[str, Any]:
    """Build what ``limit_cut_claim`` binds."""
    if not table.has_limits:
        return {}
    return {
        "control": RecordID("sp00ky_control", table.backend),
        "rate": None if table.rate is None else table.rate.per_second,
        "burst": None if table.rate is None else table.rate.burst,
        "most": table.max_in_flight,
    }


def allowance_of(table: JobTable, tokens: float | None, in_flight: int) -> Allowance:
    """Return what a claim's limits left it, as ``limit_cut_claim`` has counted."""
    allowance = Allowance(places=math.inf if table.max_in_flight is None else table.max_in_flight - in_flight)
    if table.rate is None or tokens is None:
        return allowance
    return attrs.evolve(allowance, tokens=tokens, per_second=table.rate.per_second)
