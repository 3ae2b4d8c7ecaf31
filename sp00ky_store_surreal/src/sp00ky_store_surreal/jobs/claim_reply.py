"""Read a claim's reply: the breakers and pauses, and what became of each backend's part."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs
from surrealdb import RecordID

from sp00ky_core.breaker import Breaker
from sp00ky_core.errors import StoreError
from sp00ky_core.ports import Claim, JobTable
from sp00ky_store_surreal.errors import NO_ROWS_FAULT
from sp00ky_store_surreal.fleet.breaker import breaker_of
from sp00ky_store_surreal.fleet.limit import allowance_of
from sp00ky_store_surreal.rows import seconds_of

_log = logging.getLogger(__name__)

REST = 2.0
"""Seconds until a backend is claimed for again whose claim failed, where another's went well."""

_Found = TypeVar("_Found")


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
        """Take note of what a reply says."""
        for _, breakers, pauses in _marked(reply, "claimable"):
            self.breakers.update({row["backend"]: breaker_of(row) for row in breakers})
            self.paused.update({row["backend"]: _lasts(row["lasts"]) for row in pauses})
        for _, tokens, in_flight in _marked(reply, "limits"):
            ((table, count),) = slots
            taken = sum(part.taken for part in parts_of(reply))
            if (wait := allowance_of(table, tokens, in_flight).retry_in(count, taken)) is not None:
                self.retry_in[table.backend] = wait

    def is_open(self, table: JobTable) -> bool:
        """Whether the backend's jobs are claimed as usual."""
        return not self._is_paused(table) and (not table.breaker or self._breaker(table).lets_through)

    def wants_probe(self, table: JobTable) -> bool:
        """Whether a probe is to be sent."""
        return not self._is_paused(table) and table.breaker and self._breaker(table).wants_probe

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

    def claim_of(self, jobs: list[Any], slots: Sequence[tuple[JobTable, int]]) -> Claim:
        """Return the claim, with what is known of the backends that were asked for.

        Raises an error that was passed over, where nothing was claimed.
        """
        for backend, error in self.failed.items():
            if not jobs:
                raise error
            _log.warning("can't claim jobs of %r: %s", backend, error)
        asked = {table.backend for table, _ in slots}
        return Claim(
            jobs,
            breakers=_only(asked, self.breakers),
            paused=_only(asked, self.paused),
            retry_in=_only(asked, self.retry_in),
        )

    def _is_paused(self, table: JobTable) -> bool:
        return table.backend in self.paused

    def _breaker(self, table: JobTable) -> Breaker:
        return self.breakers.get(table.backend, Breaker())


@attrs.frozen(kw_only=True)
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
    return [
        Part(
            found=found,
            long=long,
            has_others=bool(others),
            early=early,
            rows=rows,
            chosen=chosen,
            given=given,
        )
        for _, found, long, others, early, rows, chosen, given in _marked(reply, "claimed")
    ]


def _marked(reply: Sequence[Any], mark: str) -> list[Any]:
    return [each for each in reply if isinstance(each, list) and each[:1] == [mark]]


def _lasts(text: str) -> float:
    return seconds_of(text) if text else math.inf


def _only(asked: set[str], found: Mapping[str, _Found]) -> dict[str, _Found]:
    return {backend: value for backend, value in found.items() if backend in asked}
