"""Pass over rows that claims can't write, and read with care after a value that no reply can hold."""

from __future__ import annotations

import time
from enum import IntEnum

from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_surreal.errors import Conflict, reason_of
from sp00ky_store_surreal.ids import id_text, id_value

COLLIDING = 2.0
"""Seconds for which a row that collides is passed over: it mustn't stand before the others meanwhile."""

CAREFUL = 60.0
"""Seconds for which claims ask for less, after a reply that a value (a regex, say) kept from being read."""


class ClaimRefusals:
    """Knows the rows that claims pass over: they cost no other row."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._said = float("-inf")  # that small rows take too long

    def bindings(self) -> dict[str, list[RecordID]]:
        """Return what a claim binds: nothing where it passes over none."""
        ids = [id_value(each) for each in self._quarantine.resting("claimed")]
        return {"skipped": [each for each in ids if each is not None]} if ids else {}

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
