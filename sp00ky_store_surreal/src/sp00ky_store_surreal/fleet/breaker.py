"""Change a backend's breaker, and take the probe of one that is open: one job, for one runner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from surrealdb import RecordID

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState, ProbeWithoutNews, change_after
from sp00ky_core.config import BreakerConfig
from sp00ky_core.ports import BreakerResult, JobTable
from sp00ky_store_surreal.connection.executor import CLAIMING, ONCE, Connection
from sp00ky_store_surreal.rows import duration_text, seconds_of
from sp00ky_store_surreal.surql.loader import surql

SUITED = ", (retries < max_retries) AS spare, (path IN $routes) AS known"
"""What makes a job a better probe than another."""


async def change(connection: Connection, wanted: BreakerChange) -> BreakerResult:
    """Change a breaker under a guard; return what it is then."""
    before = wanted.before
    reply = await connection.write(
        surql("breaker_change"),
        ONCE,
        id=_row_of(wanted.backend),
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


def _row_of(backend: str) -> RecordID:
    """Name the record that keeps a backend's breaker."""
    return RecordID("sp00ky_breaker", backend)


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    """Read a breaker from the columns of ``fragments/breaker_columns.surql``."""
    return Breaker(
        state=BreakerState(row["state"]),
        failures=row["failures"],
        paused_for=seconds_of(row["paused_for"]),
        probe_runner=row["probe_runner"] or None,
        probe_for=seconds_of(row["probe_for"]),
    )


async def take_probe(
    connection: Connection,
    table: JobTable,
    runner_id: str,
    *,
    due: tuple[str, Mapping[str, Any]],
    take: Callable[[Sequence[RecordID]], Awaitable[list[Mapping[str, Any]]]],
) -> tuple[list[Mapping[str, Any]], Breaker | None]:
    """Take the probe of a backend and one due job for it; the job's row, and the breaker then.

    Args:
        connection: The store's.
        table: the backend's.
        runner_id: whose probe it will be.
        due: selects due jobs with ``SUITED``, and what that binds.
        take: claims rows by id; returns those that it has claimed.

    Returns:
        No row where nothing is due or another runner was faster; no breaker where it wasn't changed.
    """
    statement, bindings = due
    found = (await connection.write(statement, CLAIMING, routes=list(table.routes), **bindings))[-1]
    if not found:
        return [], None
    chosen = max(found, key=lambda row: (row["known"], row["spare"]))["id"]
    reply = await connection.write(
        surql("breaker_take_probe"),
        CLAIMING,
        breaker=_row_of(table.backend),
        runner=runner_id,
        lease=duration_text(table.probe_lease),
    )
    if not reply[-1]:
        return [], None
    breaker = breaker_of(reply[-1][0])
    claimed = await take([chosen])
    return claimed, breaker if claimed else await _hand_back(connection, table.backend, breaker, runner_id)


async def _hand_back(connection: Connection, backend: str, breaker: Breaker, runner_id: str) -> Breaker:
    wanted = change_after(backend, breaker, ProbeWithoutNews(runner_id=runner_id), BreakerConfig())
    return breaker if wanted is None else (await change(connection, wanted)).breaker
