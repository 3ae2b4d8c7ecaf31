"""The probe of a backend whose breaker is open: one job, for one runner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from sp00ky_core.breaker import Breaker, ProbeWithoutNews, change_after
from sp00ky_core.config import BreakerConfig
from sp00ky_core.ports import PROBE_WINDOW, JobTable
from sp00ky_store_surreal import breakers
from sp00ky_store_surreal.claim_parts import due_now
from sp00ky_store_surreal.connection import Connection, Lane, Way
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import surql
from sp00ky_store_surreal.reading import Id

__all__ = ["take_probe"]

PROBING = Way(lane=Lane.CLAIM, resend=False)

SUITED = ", (retries < max_retries) AS spare, (path IN $routes) AS known"
"""What makes a job a better probe than another."""


async def take_probe(
    connection: Connection,
    table: JobTable,
    runner_id: str,
    *,
    skipped: Sequence[Id],
    take: Callable[[Sequence[Id]], Awaitable[list[Id]]],
) -> tuple[list[Id], Breaker | None]:
    """Take the probe of a backend and one due job for it; the job's id, and the breaker then.

    Args:
        connection: the store's.
        table: the backend's.
        runner_id: whose probe it will be.
        skipped: rows to be passed over.
        take: claims a row; those of the ids given that were claimed.

    Returns:
        No id where nothing is due or somebody else was faster; no breaker where it wasn't changed.
    """
    statement, bindings = due_now(
        table, PROBE_WINDOW, skipped, embedded=connection.target.embedded, more=SUITED
    )
    due = (await connection.read(statement, routes=list(table.routes), **bindings))[-1]
    if not due:
        return [], None
    chosen = max(due, key=lambda row: (row["known"], row["spare"]))["id"]
    reply = await connection.write(
        surql("take_probe"),
        PROBING,
        breaker=breakers.row_of(table.backend),
        runner=runner_id,
        lease=duration_text(table.probe_lease),
    )
    if not reply[-1]:
        return [], None
    breaker = breakers.breaker_of(reply[-1][0])
    claimed = await take([chosen])
    return claimed, breaker if claimed else await _hand_back(connection, table.backend, breaker, runner_id)


async def _hand_back(connection: Connection, backend: str, breaker: Breaker, runner_id: str) -> Breaker:
    change = change_after(backend, breaker, ProbeWithoutNews(runner_id=runner_id), BreakerConfig())
    return breaker if change is None else (await breakers.change(connection, change)).breaker
