"""Change a backend's breaker, and take the probe of one that is open: one job, for one runner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from surrealdb import RecordID

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import (
    LONGEST_PAUSE,
    Breaker,
    BreakerChange,
    BreakerState,
    ProbeWithoutNews,
    change_after,
    route_in_turn,
)
from sp00ky_core.ports import LONGEST_PROBE, PROBE_WINDOW, BreakerResult, JobTable
from sp00ky_store_surreal.connection.executor import CLAIMING, ONCE, Connection
from sp00ky_store_surreal.rows import duration_text, seconds_of
from sp00ky_store_surreal.surql.loader import surql

SUITED = ", (retries < max_retries) AS spare, (IF path IN $routes { path }) AS route"
"""What makes a job a better probe than another."""


def longest_bindings(tables: Iterable[JobTable]) -> dict[str, Any]:
    """Build what reading a breaker binds: no instant is believed that no runner can have written."""
    longest = max((table.longest_pause for table in tables), default=LONGEST_PAUSE)
    return {"longest_pause": duration_text(longest), "longest_probe": duration_text(LONGEST_PROBE)}


async def change(connection: Connection, table: JobTable, wanted: BreakerChange) -> BreakerResult:
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
        **longest_bindings([table]),
    )
    written, rows = reply[-2], reply[-1]
    return BreakerResult(written=bool(written), breaker=breaker_of(rows[0]) if rows else Breaker())


def _row_of(backend: str) -> RecordID:
    """Name the record that keeps a backend's breaker."""
    return RecordID("sp00ky_breaker", backend)


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    """Read a breaker from the columns of ``breaker_columns``."""
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
    before: Breaker,
    due: tuple[str, Mapping[str, Any]],
    latest: tuple[str, Mapping[str, Any]] | None,
    take: Callable[[Sequence[RecordID]], Awaitable[list[Mapping[str, Any]]]],
) -> tuple[list[Mapping[str, Any]], Breaker | None]:
    """Take the probe of a backend and one due job for it; the job's row, and the breaker then.

    Args:
        connection: The store's.
        table: the backend's.
        runner_id: whose probe it will be.
        before: the breaker: routes take turns by it.
        due: selects due jobs with ``SUITED``, and what that binds.
        latest: likewise, those that became due last; None: they can't be found without reading all.
        take: claims rows by id; returns those that it has claimed.

    Returns:
        No row where nothing is due or another runner was faster; no breaker where it wasn't changed.
    """
    found = await _suited(connection, table, due)
    if len(found) == PROBE_WINDOW and latest is not None:
        found = [*found, *await _suited(connection, table, latest)]
    if not found:
        return [], None
    reply = await connection.write(
        surql("breaker_take_probe"),
        CLAIMING,
        breaker=_row_of(table.backend),
        runner=runner_id,
        lease=duration_text(table.probe_lease),
        **longest_bindings([table]),
    )
    if not reply[-1]:
        return [], None
    breaker = breaker_of(reply[-1][0])
    claimed = await take([_best(found, before)])
    return claimed, breaker if claimed else await _hand_back(connection, table, breaker, runner_id)


async def _suited(
    connection: Connection, table: JobTable, due: tuple[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    statement, bindings = due
    reply = await connection.write(statement, CLAIMING, routes=list(table.routes), **bindings)
    rows: list[Mapping[str, Any]] = reply[-1]
    return rows


def _best(rows: Sequence[Mapping[str, Any]], breaker: Breaker) -> RecordID:
    """Return the job that is the best probe: of the route whose turn it is, one with retries left."""
    known = ((row["route"], row["spare"]) for row in rows if row["route"] is not None)
    turn = route_in_turn(known, breaker)
    best: RecordID = max(rows, key=lambda row: (row["route"] == turn, row["spare"]))["id"]
    return best


async def _hand_back(connection: Connection, table: JobTable, breaker: Breaker, runner_id: str) -> Breaker:
    wanted = change_after(table.backend, breaker, ProbeWithoutNews(runner_id=runner_id), BreakerConfig())
    return breaker if wanted is None else (await change(connection, table, wanted)).breaker
