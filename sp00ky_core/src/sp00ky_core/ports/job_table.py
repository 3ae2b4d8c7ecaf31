"""Say what a store is made from: its tables, its options, what it can do."""

from __future__ import annotations

from pathlib import Path

import attrs

from sp00ky_core.config import RateConfig, SurrealdbConfig
from sp00ky_core.gate.breaker import LONGEST_INTERVAL, LONGEST_PAUSE, PAUSE_MARGIN
from sp00ky_core.job.options import MAX_TIMEOUT

__all__ = [
    "LEASE_MARGIN",
    "LONGEST_LEASE",
    "LONGEST_PROBE",
    "LONGEST_SET_TIMEOUT",
    "PROBE_LATEST",
    "PROBE_MARGIN",
    "PROBE_WINDOW",
    "JobTable",
    "StoreCapabilities",
    "StoreOptions",
]

LEASE_MARGIN = 30.0
"""Seconds that a lease outlasts the attempt's timeout."""

LONGEST_LEASE = MAX_TIMEOUT + LEASE_MARGIN
"""Seconds: no lease of any table ends later from now."""

LONGEST_SET_TIMEOUT = 600.0
"""Seconds: an operator sets no longer timeout at run time, unless the file has a longer one."""

PROBE_MARGIN = 5.0
"""Seconds that a probe's lease outlasts its timeout: if its runner dies, no other probe is sent before."""

LONGEST_PROBE = LONGEST_INTERVAL + PROBE_MARGIN + PAUSE_MARGIN
"""Seconds: a probe's lease that ends later from now was written while the database's clock was ahead, and
counts as over."""

PROBE_WINDOW = 1_000
"""Among so many of the jobs that have been due longest is a probe chosen, and..."""

PROBE_LATEST = 250
"""...among so many of each priority that have become due last: the others may all be of one route."""


@attrs.frozen(kw_only=True)
class JobTable:
    """One backend's job table, and what a store must know to lease and to prune its rows.

    Attributes:
        backend: The backend's name.
        table: The table's name.
        timeout: Seconds for a whole attempt.
        timeout_overridable: Whether the row's own timeout counts.
        lease_margin: Seconds; tests shorten it.
        keep_success: Seconds that a job is kept after it ended, or infinity; None: the store's default.
        keep_failed: Likewise, for failed jobs.
        strategies: Those that this process knows.
        breaker: Whether claims heed the backend's breaker.
        longest_pause: Seconds: a pause of its breaker that ends later from now was written while the
            database's clock was ahead, and counts as over.
        routes: Every spelling of the operations to which jobs can be sent, if they are known.
        max_payload_bytes: A claim needn't read what is longer: the job is claimed as defective.
        rate: Requests in a time, in the whole fleet; None: no limit.
        max_in_flight: Attempts at a time, in the whole fleet; None: no limit.
        max_successes: Delivered jobs that are kept at most, the latest; None: no limit.
        delivered: Whether runners deliver its jobs. Where not, another scheduler does: nothing there is
            reclaimed or pruned.
        longest_timeout: Seconds: the configured ``timeout``, by which others may claim while another is set.
    """

    backend: str
    table: str
    timeout: float = 10.0
    timeout_overridable: bool = False
    lease_margin: float = LEASE_MARGIN
    keep_success: float | None = None
    keep_failed: float | None = None
    strategies: frozenset[str] = frozenset({"linear", "exponential"})
    breaker: bool = True
    longest_pause: float = LONGEST_PAUSE
    routes: frozenset[str] = frozenset()
    max_payload_bytes: int = 1_048_576
    rate: RateConfig | None = None
    max_in_flight: int | None = None
    max_successes: int | None = None
    delivered: bool = True
    longest_timeout: float = attrs.field(default=attrs.Factory(lambda self: self.timeout, takes_self=True))

    @property
    def has_limits(self) -> bool:
        """Whether the fleet's claims are limited: such a table is claimed in a transaction of its own."""
        return self.rate is not None or self.max_in_flight is not None

    @property
    def has_retention(self) -> bool:
        """Whether the configuration says how long jobs that have ended are kept."""
        return any(kept is not None for kept in (self.keep_success, self.keep_failed, self.max_successes))

    def attempt_timeout(self, job_timeout: float | None) -> float:
        """Seconds for an attempt of a job whose row says ``job_timeout`` (clamped to 1..86,400)."""
        if not self.timeout_overridable or job_timeout is None:
            return self.timeout
        return min(max(job_timeout, 1.0), MAX_TIMEOUT)

    @property
    def longest_lease(self) -> float:
        """Seconds: a lease that ends later from now was written by no runner, and counts as run out.

        An operator may have set another timeout a moment ago.
        """
        configured = max(self.timeout, self.longest_timeout, LONGEST_SET_TIMEOUT)
        return (MAX_TIMEOUT if self.timeout_overridable else configured) + self.lease_margin

    @property
    def probe_lease(self) -> float:
        """Seconds for which a probe is one runner's alone; one that takes longer may get company."""
        longest = LONGEST_INTERVAL if self.timeout_overridable else min(self.timeout, LONGEST_INTERVAL)
        return longest + min(self.lease_margin, PROBE_MARGIN)


@attrs.frozen(kw_only=True)
class StoreOptions:
    """The tables and the address that a store is made from.

    Attributes:
        url: May hold a password.
        tables: The job tables.
        directory: Relative file names are relative to it.
        surrealdb: The block of that name in sp00ky.yml.
    """

    url: str = attrs.field(repr=False)
    tables: tuple[JobTable, ...]
    directory: Path = attrs.field(factory=Path.cwd)
    surrealdb: SurrealdbConfig | None = None


@attrs.frozen(kw_only=True)
class StoreCapabilities:
    """In what stores may differ; the conformance suite asks these flags, never a store's name.

    Attributes:
        transactions: Add(connection=...) joins a transaction of the caller's.
        statements: It is a ``Statements`` too.
        sql_statements: It is an ``SqlStatements`` too.
        synchronous: It is a ``SynchronousEnqueue`` too.
        exact_order: Claims are oldest due first, even where runners compete.
        shared: Several processes may open it at once.
        signals_across_processes: `work_signal()` reports other processes' jobs.
        durable: What was written outlives the process.
        concurrent_writes: A caller's transaction that has written delays no claim and no settle.
        holds_any_row: A row may break the contract, so another client can have written it so.
        ordering: Jobs with an ``ordering_key`` are delivered one at a time, in order. Where not, no job has
            one.
        limits: Claims keep a table's ``rate`` and ``max_in_flight``. Where not, no table has them.
        schedules: It is a ``Schedules`` too. Where not, no job is made by a schedule.
        rollups: It is a ``Rollups`` too. Where not, rates are known of a running process alone.
        one_loop: It can only be used in the event loop in which it was opened.
        watch: It is a ``Watch`` too, and so on: what the core does where it isn't stands at each Protocol.
        checks: It is a ``Checks`` too.
        retention: It is a ``Retention`` too.
        clears: It is a ``Clears`` too.
        reschedules: It is a ``Reschedules`` too.
        rewrites: It is a ``Rewrites`` too.
        overdue_claims: It is an ``OverdueClaims`` too.
        breakers: It is a ``Breakers`` too.
        pauses: It is a ``Pauses`` too.
        settings: It is a ``Settings`` too.
        runners: It is a ``Runners`` too.
        audit: It is an ``Audit`` too.
        counts: It is a ``Counts`` too.
        error_groups: It is an ``ErrorGroups`` too.
        short_ids: It is a ``ShortIds`` too.
    """

    transactions: bool = False
    statements: bool = False
    sql_statements: bool = False
    synchronous: bool = False
    exact_order: bool = True
    shared: bool = False
    signals_across_processes: bool = False
    durable: bool = True
    concurrent_writes: bool = True
    holds_any_row: bool = True
    ordering: bool = False
    limits: bool = False
    schedules: bool = False
    rollups: bool = False
    one_loop: bool = True
    watch: bool = True
    checks: bool = True
    retention: bool = True
    clears: bool = True
    reschedules: bool = True
    rewrites: bool = True
    overdue_claims: bool = True
    breakers: bool = True
    pauses: bool = True
    settings: bool = True
    runners: bool = True
    audit: bool = True
    counts: bool = True
    error_groups: bool = True
    short_ids: bool = True
