"""Breakers: their rows, and changes under a guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrealdb import RecordID

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.ports import BreakerResult
from sp00ky_store_surreal.connection import Connection, Way
from sp00ky_store_surreal.mapping import duration_text, seconds_of
from sp00ky_store_surreal.queries import surql

__all__ = ["breaker_of", "change", "row_of"]

ONCE = Way(resend=False)
"""That a reply was lost is told to the caller, who knows what it has written when it repeats the change."""


async def change(connection: Connection, wanted: BreakerChange) -> BreakerResult:
    """See ``Store.change_breaker``."""
    before = wanted.before
    reply = await connection.write(
        surql("change_breaker"),
        ONCE,
        id=row_of(wanted.backend),
        backend=wanted.backend,
        state="closed" if wanted.to is BreakerState.CLOSED else "open",
        failures=wanted.failures,
        pause=duration_text(wanted.pause),
        keeps_probe=wanted.to is BreakerState.HALF_OPEN,
        was_open=before.state is not BreakerState.CLOSED,
        had_failures=before.failures,
        had_probe=before.probe_runner or "",
    )
    written, rows = reply[-2], reply[-1]
    return BreakerResult(written=bool(written), breaker=breaker_of(rows[0]) if rows else Breaker())


def row_of(backend: str) -> RecordID:
    """The record that keeps a backend's breaker."""
    return RecordID("sp00ky_breaker", backend)


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    """A breaker from the columns of ``breaker_columns.surql``."""
    return Breaker(
        state=BreakerState(row["state"]),
        failures=row["failures"],
        paused_for=seconds_of(row["paused_for"]),
        probe_runner=row["probe_runner"] or None,
        probe_for=seconds_of(row["probe_for"]),
    )
