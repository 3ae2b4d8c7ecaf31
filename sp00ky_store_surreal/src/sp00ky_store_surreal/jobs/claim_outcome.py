"""Read a claim's reply, and pass over what claims can't write or read."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.gate.breaker import Breaker, BreakerState
from sp00ky_core.job.job import Job
from sp00ky_core.ports import Claim, JobTable
from sp00ky_core.stores.refused_rows import Quarantine
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, Conflict, reason_of
from sp00ky_store_surreal.ids import id_text, id_values
from sp00ky_store_surreal.jobs.claim_statement import allowance_of
from sp00ky_store_surreal.rows import seconds_of

_log = logging.getLogger(__name__)

REST = 2.0
"""Seconds until a backend is claimed for again whose claim failed, where another's went well."""


@attrs.define(kw_only=True)
class ClaimState:
    """Collects what a claim finds out of backends.

    Attributes:
        breakers: Those that aren't as if new.
        paused: Seconds that pauses last yet.
        retry_in: Seconds until another claim may get what this one had to leave.
        failed: What kept backends from being claimed.
    """

    breakers: dict[str, Breaker] = attrs.field(factory=dict)
    paused: dict[str, float] = attrs.field(factory=dict)
    retry_in: dict[str, float] = attrs.field(factory=dict)
    failed: dict[str, StoreError] = attrs.field(factory=dict)

    def read(self, reply: Sequence[Any], slots: Sequence[tuple[JobTable, int]]) -> None:
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
        """Let an error of a backend's claim cost no other one what was, or will be, claimed."""
        try:
            yield
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            self.failed[table.backend] = error
            self.retry_in[table.backend] = REST

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


@attrs.frozen
class Part:
    """Says what became of one backend's part.

    Attributes:
        found: How many rows it chose.
        long: Those of them that are too long, and are to be claimed one by one.
        has_others: Whether there were some that are no jobs.
        early: Rows that a client delayed, and that were met too early.
        rows: What it claimed; where that fits no reply, as ``rows_if_fit`` says.
        chosen: What the choice has seen: see ``claim_choice_by_priority``.
        given: What the claim gave every row, and doesn't say of each.
    """

    found: int
    long: Sequence[RecordID]
    has_others: bool
    early: Sequence[Mapping[str, Any]]
    rows: Any
    chosen: Mapping[str, Any]
    given: Mapping[str, Any]

    @property
    def taken(self) -> int:
        """Count the rows that it claimed."""
        return len(self.rows["unsafe"] if isinstance(self.rows, Mapping) else self.rows)


def parts_of(reply: Sequence[Any]) -> list[Part]:
    """Read the parts of a reply, in order."""
    return [Part(*values) for values in marked(reply, "claimed")]


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    """Read a breaker from the columns of ``breaker_columns``."""
    return Breaker(
        state=BreakerState(row["state"]),
        failures=row["failures"],
        paused_for=seconds_of(row["paused_for"]),
        probe_runner=row["probe_runner"] or None,
        probe_for=seconds_of(row["probe_for"]),
    )


def marked(reply: Sequence[Any], mark: str) -> list[Sequence[Any]]:
    """Return the results of a reply that begin with a mark, without it."""
    return [result[1:] for result in reply if isinstance(result, list) and result[:1] == [mark]]


COLLIDING = 2.0
"""Seconds for which a row that collides is passed over: it mustn't stand before the others meanwhile."""

CAREFUL = 60.0
"""Seconds for which claims ask for less, after a reply that a value (a regex, say) kept from being read."""


class ClaimRefusals:
    """Knows the rows that claims pass over: they cost no other row."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._said = float("-inf")  # that small rows take too long

    def ids(self) -> list[RecordID]:
        """List them."""
        return id_values(self._quarantine.resting("claimed"))

    def skip(self, row_id: RecordID, error: StoreError) -> None:
        """Pass over a row that couldn't be written for a while; that one collides isn't logged."""
        collides = isinstance(error, Conflict)
        seconds = COLLIDING if collides else Quarantine.REST
        self._quarantine.add("claimed", [id_text(row_id)], reason_of(error), seconds=seconds, quiet=collides)

    def skip_slow(self, row_id: RecordID, error: StoreError) -> None:
        """Pass over a row whose write took too long though it is small, for a moment."""
        problem = (
            f"{reason_of(error)}; the row is small: what the database runs at each write takes long, an "
            "event or a client's LIVE query (docs/row-contract.md)"
        )
        quiet = time.monotonic() - self._said < Quarantine.QUIET
        self._said = self._said if quiet else time.monotonic()
        self._quarantine.add("claimed", [id_text(row_id)], problem, seconds=COLLIDING, quiet=quiet)


class Care(IntEnum):
    """The care with which a claim asks for rows, one of which may hold a value that no reply can."""

    NONE = 0  # whole rows: each column that is named costs a server 4 µs a row
    SOME = 1  # what a job needs, and a payload only where it is text
    MOST = 2  # row by row


class Carefulness:
    """Knows how much care the next claim takes."""

    def __init__(self) -> None:
        self._care = Care.NONE
        self._until = 0.0

    def now(self) -> Care:
        """Return the care to take."""
        return self._care if time.monotonic() < self._until else Care.NONE

    def raise_it(self) -> None:
        """Take more of it for a while: a reply couldn't be read."""
        self._care = Care(min(self.now() + 1, Care.MOST))
        self._until = time.monotonic() + CAREFUL
