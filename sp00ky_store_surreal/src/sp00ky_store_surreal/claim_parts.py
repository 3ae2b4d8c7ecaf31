"""The parts of a claim's statement, and what they bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import quoted, surql
from sp00ky_store_surreal.reading import reply_keys

__all__ = [
    "but",
    "lone_part",
    "due_ids",
    "first_due_ids",
    "due_now",
    "first_pending",
    "shared_part",
    "bindings_of",
    "lease_of",
    "lease_bindings",
]


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


def first_due_ids(names: Mapping[str, str], *, beyond: bool) -> str:
    """The ids of the first due jobs: those without ``run_at``, then by year.

    An index has instants as text (3.3): the signs of years that haven't four digits come before every digit,
    and what is read first uses up a LIMIT before it is found not to be due. So those are looked for from
    their other end, where a minus is before a plus.
    """
    none = due_ids({**names, "from": "run_at = NONE"}, beyond=beyond)
    rest = due_ids({**names, "from": surql("dated").strip()}, beyond=False)
    return surql("due_first", none=f"{{ {none} }}", rest=rest, **names)


def due_now(
    table: JobTable, count: int, skipped: Sequence[Any], *, embedded: bool, more: str = ""
) -> tuple[str, dict[str, Any]]:
    """A statement that selects the first due jobs' ids, with ``more`` of each, and what it binds."""
    names = {"table": quoted(table.table), "n": "", "but": but({"skipped": skipped} if skipped else {})}
    if embedded:
        due = due_ids({**names, "from": "run_at <= time::now()"}, beyond=False)
    else:
        due = first_due_ids(names, beyond=False)
    bindings = {"slots": count, "most": count + len(skipped)}
    return surql("due_now", due=due, more=more), bindings | ({"skipped": list(skipped)} if skipped else {})


def first_pending(table: JobTable, *, embedded: bool) -> str:
    """An expression for ``run_at`` of the first pending jobs, the one that is due first among them."""
    return surql("first_alone" if embedded else "first", table=quoted(table.table)).strip()


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
