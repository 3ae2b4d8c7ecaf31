"""Compose a claim's statement, and what it binds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.gate.breaker import LONGEST_PAUSE
from sp00ky_core.ports import LONGEST_PROBE, JobTable
from sp00ky_core.stores import Allowance
from sp00ky_store_surreal.rows import claimed_lengths, duration_text
from sp00ky_store_surreal.surql.loader import NUL, quoted, surql

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
class ClaimPart:
    """Writes one backend's part of a claim, and what it binds.

    Attributes:
        table: The backend's.
        n: Its number in the statement.
        count: How many jobs are wanted.
        embedded: Whether no other runner competes.
        skipped: Rows that are passed over.
        jobs_only: Whether rows that are no jobs are, too. A server then reads on beyond the LIMIT, for 3 ms.
        asks_rows: Whether each row is asked what the index says of it, for the index can't be trusted.
        is_wide: Whether there may be priorities and ordering_keys.
        heads: For each priority, where to start on a server.
        start: How many due jobs stand before this runner's own place there.
        after: The ordering_key behind which to look.
    """

    table: JobTable
    n: str = ""
    count: int
    embedded: bool
    skipped: Sequence[RecordID] = ()
    jobs_only: bool = True
    asks_rows: bool = False
    is_wide: bool = True
    heads: Mapping[int, datetime | None] = attrs.field(factory=dict)
    start: int = 0
    after: str = ""

    def claim(self, *, row: str, at_once: bool) -> str:
        """Choose rows and claim them.

        Stale keys are freed in the claim's own transaction. Ids are chosen before, so that runners collide
        for no longer than to take tokens and jobs; without a token nothing is chosen.

        Args:
            row: What a server is to return of each row that isn't too long.
            at_once: Whether a wide claim is one transaction without limits, too.
        """
        choice = self.choice() if self.is_wide else self._write("claim_choice_by_age", due=self._due(0))
        part = self._write(
            "claim_embedded" if self.embedded else "claim_shared",
            until=self._until(),
            own=", lease_until" if self.table.timeout_overridable else "",
            row=row,
            live=", ordering_live = ordering_key" if self.is_wide or self.table.has_limits else "",
            within=within(embedded=self.embedded),
        )
        if self.is_wide:
            part = self._write("claim_lift_stale_keys") + part
        if self.table.has_limits:
            choice = self._write("rate_pause_without_token") + choice
        return choice + (self._limited(part) if self.table.has_limits or (self.is_wide and at_once) else part)

    def choice(self, gate: str | None = None) -> str:
        """Choose rows by priority and age, the heads of ordering_keys among them.

        ``gate``: a condition for choosing none; by default that the backend is paused, by whomever.
        """
        ranks = RANKS if self.is_wide else (0,)
        return self._write(
            "claim_choice_by_priority",
            dues="".join(f"LET $due{rank} = {{ {self._due(rank)} }};\n" for rank in ranks),
            ranked="".join(surql("due_ids_with_rank", rank=str(rank)).strip() for rank in ranks),
            gate=gate or self._write("backend_is_shut").strip(),
            passed=self._skipping(),
            due_only=" AND $head.run_at <= $heads.now",
        )

    def due_now(self, more: str) -> str:
        """Select the first due jobs, with ``more`` of each, without a claim."""
        chosen = self.choice(gate="false") + self._write("claim_lift_stale_keys")
        return surql("claim_due_now", chosen=chosen, more=more)

    def due_last(self, more: str) -> str:
        """Select the jobs that became due last, ``latest`` of each priority, on a server."""
        latest = (self._write("due_last", group=group_of(rank, embedded=False)).strip() for rank in RANKS)
        return surql("probe_latest", latest=", ".join(latest), more=more)

    def named(self, *, limit: str) -> str:
        """Claim the row ``$id``; ``limit``: how long that may take."""
        one = self._write("claim_one_row", until=self._until(), unleased=self._unleased(), within=limit)
        return f"{surql('let_now')}LET $ids = [$id];{self._limited(one)}['one', $rows];"

    def bindings(self) -> dict[str, Any]:
        """Build what it binds."""
        n, table = self.n, self.table
        bound: dict[str, Any] = {
            **NUL,
            **claimed_lengths(table).bindings(n),
            f"backend{n}": table.backend,
            f"breaker{n}": table.backend if table.breaker else "",
            f"slots{n}": self.count,
            f"most{n}": self.count + len(self.skipped),
            f"start{n}": self.start,
            f"after{n}": self.after,
            f"lease{n}": duration_text(table.timeout + table.lease_margin),
            f"margin{n}": duration_text(table.lease_margin),
        }
        bound |= {f"head{n}_{rank}": head for rank, head in self.heads.items()}
        bound |= {"skipped": list(self.skipped)} if self.skipped else {}
        if table.has_limits:
            bound |= {
                "control": RecordID("sp00ky_control", table.backend),
                "rate": None if table.rate is None else table.rate.per_second,
                "burst": None if table.rate is None else table.rate.burst,
                "most_in_flight": table.max_in_flight,
            }
        return bound

    def _write(self, name: str, **more: str) -> str:
        return surql(name, **self._names, **more)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return {
            **names_of(self.table),
            "n": self.n,
            "but": self._passed(),
            "pending": self._asking("pending"),
            "held": self._asking("processing"),
        }

    def _passed(self) -> str:
        """Write the condition for rows that are passed over."""
        is_job = f" AND {surql('is_job', table=quoted(self.table.table)).strip()}" if self.jobs_only else ""
        return is_job + self._skipping() + self._unleased() + self._asking("pending")

    def _asking(self, status: str) -> str:
        return f" AND {surql('row_status').strip()} = '{status}'" if self.asks_rows else ""

    def _skipping(self) -> str:
        return " AND id NOT IN $skipped" if self.skipped else ""

    def _unleased(self) -> str:
        """Write the condition for rows that count for no request, where those in flight are counted.

        An attempt that was lost counts until its lease ends, and a row counts once.
        """
        if self.table.max_in_flight is None:
            return ""
        return f" AND {surql('lease_is_over', longest_lease=longest_lease(self.table)).strip()}"

    def _due(self, rank: int) -> str:
        """Select the ids of due jobs of a priority: on a server from a head on, or the first.

        The first are those without ``run_at``, then by year. An index has instants as text (3.3): the signs
        of years that haven't four digits come before every digit, and what is read first uses up a LIMIT
        before it is found not to be due. So those are looked for from their other end, where a minus is
        before a plus. That they are due is asked twice: of the index, and of each row, for with another
        condition beside it a server doesn't ask a row what its index answered.
        """
        if self.embedded:
            return self._due_ids(rank, "run_at <= $now")
        if self.heads.get(rank) is not None:
            return self._due_beyond(rank, f"run_at >= $head{self.n}_{rank}")
        return self._write(
            "claim_due_ids_undated_first",
            group=group_of(rank, embedded=False),
            none=f"{{ {self._due_beyond(rank, 'run_at = NONE')} }}",
            rest=self._due_ids(rank, surql("dated_since_year_1").strip()),
        )

    def _due_beyond(self, rank: int, since: str) -> str:
        """Select the same from the runner's own place on, if there are enough of them."""
        due = self._due_ids(rank, since)
        if not self.start:
            return due
        beyond = self._due_ids(rank, since, start=f" START $start{self.n}")
        return self._write("claim_due_ids_beyond", beyond=beyond, due=due)

    def _due_ids(self, rank: int, since: str, *, start: str = "") -> str:
        group = group_of(rank, embedded=self.embedded)
        return self._write("claim_due_ids", group=group, start=start, **{"from": f" AND {since}"})

    def _until(self) -> str:
        """Write when a claim's lease ends: an expression, for a row may have a timeout of its own.

        ``$until`` is computed once: a duration that is read for each row costs a sixth of a claim (2.3).
        """
        own = self.table.timeout_overridable
        return surql("until_of_own_timeout", n=self.n).strip() if own else f"$until{self.n}"

    def _limited(self, part: str) -> str:
        """Write a claim of chosen ids as one transaction, which takes no more than the limits leave."""
        if not self.table.has_limits:
            return f"BEGIN;{part}COMMIT;"
        return f"BEGIN;{self._write('limit_cut_claim')}{part}{self._write('rate_charge')}COMMIT;"


def claim_of(parts: Sequence[ClaimPart], runner_id: str, *, row: str = "") -> tuple[str, dict[str, Any]]:
    """Write a claim, and what it binds.

    Several parts are one transaction: a backend's rows would be lost where another's collide, or are refused.
    """
    statement = surql("claim_shut_backends")
    bindings: dict[str, Any] = {"runner": runner_id, **longest_bindings(part.table for part in parts)}
    for part in parts:
        statement += part.claim(row=row, at_once=len(parts) == 1)
        bindings |= part.bindings()
    return (f"BEGIN;{statement}COMMIT;" if len(parts) > 1 else statement), bindings


def names_of(table: JobTable) -> dict[str, str]:
    """Return the places of statements that ask whether a lease is over, or which rows are jobs."""
    return {"table": quoted(table.table), "longest_lease": longest_lease(table)}


def longest_lease(table: JobTable) -> str:
    """Write how long a claim's lease lasts at most."""
    return duration_text(table.longest_lease)


def first_pending(table: JobTable, *, embedded: bool) -> str:
    """Write an expression for ``run_at`` of the first pending jobs that have no ordering_key.

    Those that are due first, of each priority, are among them.
    """
    name = "first_pending_embedded" if embedded else "first_pending"
    groups = (group_of(rank, embedded=embedded) for rank in RANKS)
    firsts = [surql(name, table=quoted(table.table), group=group).strip() for group in groups]
    return f"array::flatten([{', '.join(firsts)}])"


def longest_bindings(tables: Iterable[JobTable]) -> dict[str, Any]:
    """Build what reading a breaker binds: no instant is believed that no runner can have written."""
    longest = max((table.longest_pause for table in tables), default=LONGEST_PAUSE)
    return {"longest_pause": duration_text(longest), "longest_probe": duration_text(LONGEST_PROBE)}


def allowance_of(table: JobTable, tokens: float | None, in_flight: int) -> Allowance:
    """Return what a claim's limits left it, as ``limit_cut_claim`` has counted."""
    allowance = Allowance(places=math.inf if table.max_in_flight is None else table.max_in_flight - in_flight)
    if table.rate is None or tokens is None:
        return allowance
    return attrs.evolve(allowance, tokens=tokens, per_second=table.rate.per_second)
