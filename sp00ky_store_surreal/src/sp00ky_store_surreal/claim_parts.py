"""The parts of a claim's statement, and what they bind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import quoted, surql
from sp00ky_store_surreal.reading import reply_keys

__all__ = ["but", "lone_part", "due_ids", "shared_part", "bindings_of", "lease_of", "lease_bindings"]


def but(skipped: Mapping[str, Any]) -> str:
    """The condition for rows that are passed over."""
    return " AND id NOT IN <array<record>>$skipped" if skipped else ""


def lone_part(number: int, table: JobTable, *, but: str) -> str:
    """A backend's part of a claim that nobody competes with."""
    return surql(
        "claim", table=quoted(table.table), n=str(number), lease=lease_of(table, str(number)), but=but
    )


def due_ids(names: Mapping[str, str], *, beyond: bool) -> str:
    """The ids of due jobs; ``beyond``: from the runner's place on, if there are enough of them."""
    due = surql("due", start="", **names)
    if not beyond:
        return due
    start = surql("due", start=f" START $start{names['n']}", **names)
    return surql("due_beyond", n=names["n"], beyond=start, due=due)


def shared_part(n: str, table: JobTable, due: str, columns: str) -> str:
    """A backend's part of a claim among other runners'."""
    until = f"$now + {lease_of(table, n)}" if table.timeout_overridable else f"$until{n}"
    return surql("claim_shared", n=n, due=due, until=until, columns=columns)


def bindings_of(number: int, table: JobTable, count: int) -> Mapping[str, Any]:
    """What both kinds of part bind."""
    return {
        f"backend{number}": table.backend if table.breaker else "",
        f"slots{number}": count,
        **lease_bindings(table, str(number)),
        **reply_keys(number, table),
    }


def lease_of(table: JobTable, number: str) -> str:
    """How long a claim lasts: an expression, for a row may have a timeout of its own."""
    usual = f"<duration>$lease{number}"
    if not table.timeout_overridable:
        return usual
    seconds = "<duration>(<string>(<int>math::ceil(math::clamp(timeout, 1, 86400))) + 's')"
    own = f"{seconds} + <duration>$margin{number}"
    return f"(IF timeout.is_int() OR timeout.is_float() {{ {own} }} ELSE {{ {usual} }})"


def lease_bindings(table: JobTable, number: str) -> dict[str, Any]:
    """What ``lease_of`` binds."""
    bound: dict[str, Any] = {f"lease{number}": duration_text(table.timeout + table.lease_margin)}
    if table.timeout_overridable:
        bound[f"margin{number}"] = duration_text(table.lease_margin)
    return bound
