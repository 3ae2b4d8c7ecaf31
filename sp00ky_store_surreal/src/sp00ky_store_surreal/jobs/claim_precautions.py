"""Remember what claims can't write, can't read, or take too long for, and how to claim around it."""

from __future__ import annotations

import time
from enum import IntEnum

from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_store_surreal.errors import Conflict, reason_of
from sp00ky_store_surreal.ids import id_text, id_values

COLLIDING = 2.0
"""Seconds for which a row that collides is passed over: it mustn't stand before the others meanwhile."""

CAREFUL = 60.0
"""Seconds for which claims ask for less, after a reply that a value (a regex, say) kept from being read."""


class ClaimRefusals:
    """Knows the rows that claims pass over, so that they cost no other row."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._said = float("-inf")  # that small rows take too long

    def ids(self) -> list[RecordID]:
        """List the ids of these rows."""
        return id_values(self._quarantine.resting("claimed"))

    def skip(self, row_id: RecordID, error: StoreError) -> None:
        """Pass over a row that couldn't be written for a while; that one collides isn't logged."""
        collides = isinstance(error, Conflict)
        self._skip(row_id, reason_of(error), COLLIDING if collides else Quarantine.REST, quiet=collides)

    def skip_slow(self, row_id: RecordID, error: StoreError) -> None:
        """Pass over a row whose write took too long though it is small, for a moment."""
        problem = (
            f"{reason_of(error)}; the row is small: what the database runs at each write takes long, an "
            "event or a client's LIVE query (docs/row-contract.md)"
        )
        quiet = time.monotonic() - self._said < Quarantine.QUIET
        self._said = self._said if quiet else time.monotonic()
        self._skip(row_id, problem, COLLIDING, quiet=quiet)

    def _skip(self, row_id: RecordID, problem: str, seconds: float, *, quiet: bool) -> None:
        self._quarantine.add("claimed", [id_text(row_id)], problem, seconds=seconds, quiet=quiet)


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
        """Take more care for a while: a reply couldn't be read."""
        self._care = Care(min(self.now() + 1, Care.MOST))
        self._until = time.monotonic() + CAREFUL


MOST_ROWS = 1_000
"""Rows that a claim asks for at most."""

SHARE = 8
"""Of what a claim that took too long asked for, the next one asks for this part."""


class BatchSize:
    """Decides how many rows a claim asks for at most, by how long the claims before it took.

    An event or a client's LIVE query, which the database runs at each write, may take long. A claim of many
    rows would lose its connection, again and again, and what is behind them would wait for ever.
    """

    def __init__(self) -> None:
        self._most = MOST_ROWS

    @property
    def is_one(self) -> bool:
        """Whether it can't be smaller."""
        return self._most == 1

    def of(self, count: int) -> int:
        """Return how many to ask for instead of ``count``."""
        return min(count, self._most)

    def took_too_long(self, asked: int) -> None:
        """Ask for fewer: a claim of so many rows was cut off."""
        self._most = max(min(asked, self._most) // SHARE, 1)

    def went_well(self) -> None:
        """Ask for more again: a claim was answered."""
        self._most = min(self._most * 2, MOST_ROWS)
