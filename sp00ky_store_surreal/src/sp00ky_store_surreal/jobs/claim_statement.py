"""Write the statement of a claim, and read its reply."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.gate.breaker import LONGEST_PAUSE, Breaker, BreakerState
from sp00ky_core.job.job import Job
from sp00ky_core.ports import LONGEST_PROBE, Claim, JobTable
from sp00ky_core.stores import Allowance
from sp00ky_store_surreal.embedded_or_server import RANKS, Dialect, lease_names
from sp00ky_store_surreal.errors import NO_ROWS_FAULT
from sp00ky_store_surreal.rows import claimed_lengths
from sp00ky_store_surreal.surql.durations import duration_text, seconds_of
from sp00ky_store_surreal.surql.loader import NUL, quoted, surql

_log = logging.getLogger(__name__)

Slots = Sequence[tuple[JobTable, int]]
"""How many jobs at most are wanted, by table."""


@attrs.frozen(kw_only=True)
class ClaimPart:
    """Writes one backend's part of a claim, and what it binds.

    Attributes:
        table: The backend's.
        n: Its number in the statement.
        count: How many jobs are wanted.
        dialect: The wording that the database needs.
        skipped: Rows that are passed over.
        jobs_only: Whether rows that are no jobs are passed over, too; for that a server reads on beyond the
            LIMIT, which takes 3 ms.
        asks_rows: Whether each row is asked what the index says of it, for the index can't be trusted.
        is_wide: Whether there may be priorities and ordering_keys.
        heads: For each priority, where to start; without one, a claim starts at the beginning.
        start: How many due jobs stand before this runner's own place there.
        after: The ordering_key behind which to look.
    """

    table: JobTable
    n: str = ""
    count: int
    dialect: Dialect
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
        has_limits, stale = self.table.has_limits, self._write("claim_lift_stale_keys")
        choice = self.choice() if self.is_wide else self._write("claim_choice_by_age", due=self._due(0))
        part = self._write(
            "claim_chosen",
            until=self._until(),
            row=row,
            live=", ordering_live = ordering_key" if self.is_wide or has_limits else "",
            within=time_limit(),
        )
        part = stale + part if self.is_wide else part
        choice = self._write("rate_pause_without_token") + choice if has_limits else choice
        return choice + (self._limited(part) if has_limits or (self.is_wide and at_once) else part)

    def choice(self, gate: str | None = None) -> str:
        """Choose rows by priority and age, the heads of ordering_keys among them.

        ``gate`` is the condition under which none is chosen; by default, that the backend is paused or its
        breaker is open.
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
        latest = (self._write("due_last", group=self.dialect.group(rank)).strip() for rank in RANKS)
        return self._write("probe_latest", latest=", ".join(latest), more=more)

    def named(self, *, limit: str) -> str:
        """Claim the row ``$id``; ``limit``: how long that may take."""
        one = self._write("claim_one_row", until=self._until(), unleased=self._unleased(), within=limit)
        return f"{surql('let_now')}LET $ids = [$id];{self._limited(one)}['one', $rows];"

    def bindings(self) -> dict[str, Any]:
        """Build what this part binds."""
        n, table, rate = self.n, self.table, self.table.rate
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
            **{f"head{n}_{rank}": head for rank, head in self.heads.items()},
        }
        if self.skipped:
            bound["skipped"] = list(self.skipped)
        if table.has_limits:
            bound["control"] = RecordID("sp00ky_control", table.backend)
            bound["rate"], bound["burst"] = (rate.per_second, rate.burst) if rate else (None, None)
            bound["most_in_flight"] = table.max_in_flight
        return bound

    def _write(self, name: str, **more: str) -> str:
        return surql(name, **self._names, **more)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return {
            **lease_names(self.table),
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
        return f" AND {surql('lease_is_over', **lease_names(self.table)).strip()}"

    def _due(self, rank: int) -> str:
        """Select the ids of due jobs of a priority: on a server from a head on, or the first.

        The first are those without ``run_at``, then by year. An index has instants as text (3.3): the signs
        of years that haven't four digits come before every digit, and what is read first uses up a LIMIT
        before it is found not to be due. So those are looked for from their other end, where a minus is
        before a plus. That they are due is asked twice: of the index, and of each row, for with another
        condition beside it a server doesn't ask a row what its index answered.
        """
        if not self.dialect.finds_none:
            return self._due_ids(rank, "run_at <= $now")
        if self.heads.get(rank) is not None:
            return self._due_beyond(rank, f"run_at >= $head{self.n}_{rank}")
        return self._write(
            "claim_due_ids_undated_first",
            group=self.dialect.group(rank),
            none=f"{{ {self._due_beyond(rank, 'run_at = NONE')} }}",
            rest=self._due_ids(rank, surql("dated_since_year_1").strip()),
        )

    def _due_beyond(self, rank: int, since: str) -> str:
        """Select the ids of due jobs from the runner's own place on, if there are enough of them."""
        due = self._due_ids(rank, since)
        if not self.start:
            return due
        beyond = self._due_ids(rank, since, start=f" START $start{self.n}")
        return self._write("claim_due_ids_beyond", beyond=beyond, due=due)

    def _due_ids(self, rank: int, since: str, *, start: str = "") -> str:
        group = self.dialect.group(rank)
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


CLAIM_SECONDS = 1.5
"""Seconds that a claim may take: a connection would be lost to a longer one."""


def time_limit() -> str:
    """Write how long the write of a claim may take.

    A selection takes as long as it does: a server reads each row whole, and only that tells which are long.
    """
    return f"TIMEOUT {duration_text(CLAIM_SECONDS)}"


def claim_of(parts: Sequence[ClaimPart], runner_id: str, *, row: str = "") -> tuple[str, dict[str, Any]]:
    """Write the statement of a claim; return it with what it binds.

    Several parts are one transaction: a backend's rows would be lost where another's collide, or are refused.
    """
    statement = surql("claim_shut_backends")
    bindings: dict[str, Any] = {"runner": runner_id, **longest_bindings(part.table for part in parts)}
    for part in parts:
        statement += part.claim(row=row, at_once=len(parts) == 1)
        bindings |= part.bindings()
    return (f"BEGIN;{statement}COMMIT;" if len(parts) > 1 else statement), bindings


def longest_bindings(tables: Iterable[JobTable]) -> dict[str, Any]:
    """Build what reading a breaker binds: no instant is believed that no runner can have written."""
    longest = max((table.longest_pause for table in tables), default=LONGEST_PAUSE)
    return {"longest_pause": duration_text(longest), "longest_probe": duration_text(LONGEST_PROBE)}


@attrs.frozen
class Part:
    """Says what became of one backend's part.

    Attributes:
        found: How many rows it chose.
        long: Those of them that are too long, and are to be claimed one by one.
        has_others: Whether rows that are no jobs were among them.
        early: Rows that a client delayed, and that were met too early.
        rows: What it claimed; of a row that has become too long its id alone.
        chosen: What the choice has seen: see ``claim_choice_by_priority``.
    """

    found: int
    long: Sequence[RecordID]
    has_others: bool
    early: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    chosen: Mapping[str, Any]

    @property
    def taken(self) -> int:
        """Count the rows that it claimed."""
        return len(self.rows)


def parts_of(reply: Sequence[Any]) -> list[Part]:
    """Read the parts of a reply, in order."""
    return [Part(*values) for values in marked(reply, "claimed")]


def marked(reply: Sequence[Any], mark: str) -> list[Sequence[Any]]:
    """Return the results of a reply that begin with a mark, without it."""
    return [result[1:] for result in reply if isinstance(result, list) and result[:1] == [mark]]


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    """Read a breaker from the columns of ``breaker_columns``."""
    return Breaker(
        state=BreakerState(row["state"]),
        failures=row["failures"],
        paused_for=seconds_of(row["paused_for"]),
        probe_runner=row["probe_runner"] or None,
        probe_for=seconds_of(row["probe_for"]),
    )


def allowance_of(table: JobTable, tokens: float | None, in_flight: int) -> Allowance:
    """Return what a claim's limits left it, as ``limit_cut_claim`` has counted."""
    allowance = Allowance(places=math.inf if table.max_in_flight is None else table.max_in_flight - in_flight)
    if table.rate is None or tokens is None:
        return allowance
    return attrs.evolve(allowance, tokens=tokens, per_second=table.rate.per_second)


REST = 2.0
"""Seconds until a backend is claimed for again whose claim failed, where another's went well."""


@attrs.define(kw_only=True)
class ClaimState:
    """Collects what a claim finds out of backends.

    Attributes:
        breakers: By backend, the breakers that aren't as a new one is.
        paused: Seconds that a pause lasts yet, by backend.
        retry_in: Seconds until another claim may get what this one had to leave, by backend.
        failed: What kept a backend from being claimed, by backend.
    """

    breakers: dict[str, Breaker] = attrs.field(factory=dict)
    paused: dict[str, float] = attrs.field(factory=dict)
    retry_in: dict[str, float] = attrs.field(factory=dict)
    failed: dict[str, StoreError] = attrs.field(factory=dict)

    def read(self, reply: Sequence[Any], slots: Slots) -> None:
        """Take note of what a reply says of the backends that it was asked for."""
        asked = {table.backend for table, _ in slots}
        for breakers, pauses in marked(reply, "claimable"):
            for row in breakers:
                if row["backend"] in asked:
                    self.breakers[row["backend"]] = breaker_of(row)
            for row in pauses:
                if row["backend"] in asked:
                    self.paused[row["backend"]] = seconds_of(row["lasts"]) if row["lasts"] else math.inf
        for tokens, in_flight in marked(reply, "limits"):
            ((table, count),) = slots
            taken = sum(part.taken for part in parts_of(reply))
            if (wait := allowance_of(table, tokens, in_flight).retry_in(count, taken)) is not None:
                self.retry_in[table.backend] = wait

    def is_open(self, table: JobTable) -> bool:
        """Whether the backend's jobs are claimed as usual."""
        return table.backend not in self.paused and self._breaker(table).lets_through

    def wants_probe(self, table: JobTable) -> bool:
        """Whether a probe is to be sent."""
        return table.backend not in self.paused and self._breaker(table).wants_probe

    @contextmanager
    def passing_over(self, table: JobTable) -> Iterator[None]:
        """Let an error of a backend's claim cost no other backend what was, or will be, claimed."""
        try:
            yield
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            self.failed[table.backend], self.retry_in[table.backend] = error, REST

    def claim_of(self, jobs: list[Job]) -> Claim:
        """Return the claim, with what is known of its backends.

        Raises an error that was passed over, where nothing was claimed.
        """
        for backend, error in self.failed.items():
            if not jobs:
                raise error
            _log.warning("can't claim jobs of %r: %s", backend, error)
        return Claim(jobs, breakers=self.breakers, paused=self.paused, retry_in=self.retry_in)

    def _breaker(self, table: JobTable) -> Breaker:
        return self.breakers.get(table.backend, Breaker()) if table.breaker else Breaker()
