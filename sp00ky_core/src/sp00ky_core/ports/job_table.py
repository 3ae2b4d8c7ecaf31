"""Say what a store must know of a backend's job table: its leases, its probes, its limits."""

from __future__ import annotations

import attrs

from sp00ky_core.config import RateConfig
from sp00ky_core.gate.breaker import LONGEST_INTERVAL, LONGEST_PAUSE, PAUSE_MARGIN
from sp00ky_core.job.options import MAX_TIMEOUT

__all__ = ["LEASE_MARGIN", "LONGEST_LEASE", "LONGEST_PROBE", "LONGEST_SET_TIMEOUT", "PROBE_LATEST"]
__all__ += ["PROBE_MARGIN", "PROBE_WINDOW", "JobTable"]

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
"""Jobs that have been due longest, among which a probe is chosen."""

PROBE_LATEST = 250
"""Jobs of each priority that have become due last, among which a probe is chosen too: the others may all
be of one route."""


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
