"""Compose a claim's statement, and what it binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import attrs

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.surql.loader import quoted, surql

RANKS = (3, 2, 1, 0)
"""The priorities, in the order of claims."""

CLAIM_SECONDS = 1.5
"""Seconds that a server may take for a claim."""


def within(*, embedded: bool) -> str:
    """Write how long a claim's write may take; embedded it loses no connection.

    A selection takes as long as it does: a server reads each row whole, and only that tells which are long.
    """
    return "" if embedded else f"TIMEOUT {duration_text(CLAIM_SECONDS)}"


def group_of(rank: int, *, embedded: bool) -> str:
    """Write the condition for jobs of a priority that have no ordering_key.

    The embedded planner (2.3) uses no index for what is NONE; what is less than 1 is that, too.
    """
    if embedded:
        return f"claim_group = {rank}" if rank else "claim_group < 1"
    return f"claim_group = {rank or 'NONE'} AND ordering_at = NONE"


@attrs.frozen(kw_only=True)
class Asked:
    """Holds conditions that ask each row what an index says of it, where an index can't be trusted.

    Attributes:
        pending: Of jobs that wait.
        held: Of jobs that are processing.
    """

    pending: str = ""
    held: str = ""


TRUSTED = Asked()


def but(skipped: Mapping[str, Any], *, jobs_of: JobTable | None = None) -> str:
    """Write the condition for rows that are passed over.

    ``jobs_of``: also those of this table that are no jobs. A server then reads on beyond the LIMIT, for 3 ms.
    """
    is_job = f" AND {surql('is_job', table=quoted(jobs_of.table)).strip()}" if jobs_of else ""
    return is_job + (" AND id NOT IN $skipped" if skipped else "")


def unleased(table: JobTable) -> str:
    """Write the condition for rows that count for no request, where those in flight are counted.

    An attempt that was lost counts until its lease ends, and a row counts once.
    """
    if table.max_in_flight is None:
        return ""
    return f" AND {surql('lease_is_over', longest_lease=longest_lease(table)).strip()}"


def longest_lease(table: JobTable) -> str:
    """Write how long a claim's lease lasts at most."""
    return duration_text(table.longest_lease)


def due_ids(names: Mapping[str, str], *, beyond: bool) -> str:
    """Select the ids of due jobs; ``beyond``: from the runner's place on, if there are enough of them."""
    due = surql("claim_due_ids", start="", **names)
    if not beyond:
        return due
    start = surql("claim_due_ids", start=f" START $start{names['n']}", **names)
    return surql("claim_due_ids_beyond", n=names["n"], beyond=start, due=due)


def first_due_ids(names: Mapping[str, str], *, beyond: bool) -> str:
    """Select the ids of the first due jobs: those without ``run_at``, then by year.

    An index has instants as text (3.3): the signs of years that haven't four digits come before every digit,
    and what is read first uses up a LIMIT before it is found not to be due. So those are looked for from
    their other end, where a minus is before a plus. That they are due is asked twice: of the index, and of
    each row, for with another condition beside it a server doesn't ask a row what its index answered.
    """
    none = due_ids({**names, "from": " AND run_at = NONE"}, beyond=beyond)
    rest = due_ids({**names, "from": f" AND {surql('dated_since_year_1').strip()}"}, beyond=False)
    return surql("claim_due_ids_undated_first", none=f"{{ {none} }}", rest=rest, **names)


def shared_due_ids(names: Mapping[str, str], rank: int, head: datetime | None, *, beyond: bool) -> str:
    """Select the ids of due jobs of a priority, on a server: from a head on, which is bound, or the first."""
    ranked = {**names, "group": group_of(rank, embedded=False)}
    if head is None:
        return first_due_ids(ranked, beyond=beyond)
    return due_ids({**ranked, "from": f" AND run_at >= $head{names['n']}_{rank}"}, beyond=beyond)


def lone_due_ids(table: JobTable, n: str, rank: int, *, passed: str) -> str:
    """Select the ids of due jobs of a priority, embedded."""
    names = {"table": quoted(table.table), "n": n, "but": passed}
    return due_ids(
        {**names, "group": group_of(rank, embedded=True), "from": " AND run_at <= $now"}, beyond=False
    )


def chosen(
    n: str,
    table: JobTable,
    due: Mapping[int, str],
    *,
    skips: bool,
    asked: Asked = TRUSTED,
    gate: str | None = None,
) -> str:
    """Choose the ids of a claim's rows by priority and age, the heads of ordering_keys among them.

    Args:
        n: The number of the backend in the statement.
        table: Its table.
        due: For each priority, an expression for the ids of due jobs.
        skips: Whether rows are passed over.
        asked: What is asked of each row.
        gate: A condition for choosing none; by default that the backend is paused, by whomever.
    """
    names = {"table": quoted(table.table), "n": n}
    return surql(
        "claim_choice_by_priority",
        dues="".join(f"LET $due{rank} = {{ {text} }};\n" for rank, text in due.items()),
        ranked="".join(surql("due_ids_with_rank", rank=str(rank)).strip() for rank in due),
        gate=gate or surql("backend_is_shut", n=n).strip(),
        passed=but({"skipped": skips} if skips else {}),
        due_only=" AND $head.run_at <= $heads.now",
        pending=asked.pending,
        held=asked.held,
        longest_lease=longest_lease(table),
        **names,
    )


def due_now(
    table: JobTable,
    count: int,
    skipped: Sequence[Any],
    *,
    embedded: bool,
    heads: Mapping[int, datetime | None] = MappingProxyType({}),
    asked: Asked = TRUSTED,
    more: str = "",
) -> tuple[str, dict[str, Any]]:
    """Write a statement that selects the first due jobs' ids, with ``more`` of each, and what it binds.

    ``heads``: for each priority, where to start on a server.
    """
    passed = but({"skipped": skipped} if skipped else {}, jobs_of=table) + unleased(table) + asked.pending
    names = {"table": quoted(table.table), "n": "", "but": passed}
    due = {
        rank: lone_due_ids(table, "", rank, passed=passed)
        if embedded
        else shared_due_ids(names, rank, heads.get(rank), beyond=False)
        for rank in RANKS
    }
    choice = chosen("", table, due, skips=bool(skipped), asked=asked, gate="false")
    choice += surql("claim_lift_stale_keys", n="", longest_lease=longest_lease(table))
    bindings = {"slots": count, "most": count + len(skipped), "after": ""}
    bound = bindings | ({"skipped": list(skipped)} if skipped else {})
    bound |= {f"head_{rank}": head for rank, head in heads.items()}
    return surql("claim_due_now", chosen=choice, more=more), bound


def due_last(
    table: JobTable, count: int, skipped: Sequence[Any], *, asked: Asked = TRUSTED, more: str
) -> tuple[str, dict[str, Any]]:
    """Write what selects the jobs that became due last, ``count`` of each priority, on a server."""
    bindings = {"latest": count, **({"skipped": list(skipped)} if skipped else {})}
    passed = but(bindings if skipped else {}, jobs_of=table) + unleased(table) + asked.pending
    names = {"table": quoted(table.table), "but": passed}
    groups = (group_of(rank, embedded=False) for rank in RANKS)
    latest = (surql("due_last", group=group, **names).strip() for group in groups)
    return surql("probe_latest", latest=", ".join(latest), more=more), bindings


def first_pending(table: JobTable, *, embedded: bool) -> str:
    """Write an expression for ``run_at`` of the first pending jobs that have no ordering_key.

    Those that are due first, of each priority, are among them.
    """
    name = "first_pending_embedded" if embedded else "first_pending"
    groups = (group_of(rank, embedded=embedded) for rank in RANKS)
    firsts = [surql(name, table=quoted(table.table), group=each).strip() for each in groups]
    return f"array::flatten([{', '.join(firsts)}])"


def bindings_of(number: int, table: JobTable, count: int) -> Mapping[str, Any]:
    """Build what both kinds of part bind."""
    return {
        f"backend{number}": table.backend,
        f"breaker{number}": table.backend if table.breaker else "",
        f"slots{number}": count,
        **lease_bindings(table, str(number)),
    }


def until_of(table: JobTable, number: str) -> str:
    """Write when a claim's lease ends: an expression, for a row may have a timeout of its own.

    ``$until`` is computed once: a duration that is read for each row costs a sixth of a claim (2.3).
    """
    usual = f"$until{number}"
    if not table.timeout_overridable:
        return usual
    seconds = "<duration>(<string>(<int>math::ceil(math::clamp(timeout, 1, 86400))) + 's')"
    own = f"$now + {seconds} + <duration>$margin{number}"
    return f"(IF timeout.is_int() OR timeout.is_float() {{ {own} }} ELSE {{ {usual} }})"


def lease_bindings(table: JobTable, number: str) -> dict[str, Any]:
    """Build what ``until_of`` and what it stands on bind."""
    bound: dict[str, Any] = {f"lease{number}": duration_text(table.timeout + table.lease_margin)}
    if table.timeout_overridable:
        bound[f"margin{number}"] = duration_text(table.lease_margin)
    return bound
