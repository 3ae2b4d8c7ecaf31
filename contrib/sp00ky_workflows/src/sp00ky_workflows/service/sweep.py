"""Find by indexes what nobody has heard of: a runner may end between a job's end and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.ports import Either, ExtensionTransaction, Is, Row, Table, Where
from sp00ky_workflows.api.records import ENDED
from sp00ky_workflows.service.finish import without_open_steps
from sp00ky_workflows.tables import BATCHES, PARTS, PAUSED, READY, SIGNALS, STEPS, WORKFLOWS, jobs_of

__all__ = ["Missed", "Sweep"]

PAGE, FAILED_PAGE, RUNNING_PAGE = 200, 50, 100
"""Rows that one search reads of each kind."""


@attrs.frozen(kw_only=True)
class Missed:
    """What one search has found.

    Attributes:
        steps: Jobs of steps that are pending, and a few of failed ones: they may have been retried.
        stopped: Jobs of steps that are pending in a workflow that was killed, or is late.
        members: Jobs of batches.
        ending: Workflows without an open step.
        ready: Workflows with steps that wait for nothing, and haven't begun; with pauses that are over.
        late: Workflows whose deadline is over.
        running: There are workflows that run, or open batches.
    """

    steps: list[str]
    stopped: list[str]
    members: list[str]
    ending: set[str]
    ready: set[str]
    late: list[Row]
    running: bool


class Sweep:
    """Pages through what is open, from the first again after the last."""

    def __init__(self) -> None:
        self._reached: dict[object, Any] = {}

    async def search(self, tx: ExtensionTransaction) -> Missed:
        """Read the next page of everything."""
        columns = ("job_id", "workflow_id")
        pending = await self._page(tx, STEPS, [Is("status", "=", "pending")], PAGE, *columns)
        failed = await self._page(tx, STEPS, [Is("status", "=", "failed")], FAILED_PAGE, *columns)
        running = await self._running(tx)
        late = [Is("status", "=", "running"), Is("deadline", "<=", tx.now)]
        late_ones = await tx.select(WORKFLOWS, late, limit=RUNNING_PAGE, columns=("id", "failed_step"))
        ready = await self._page(tx, STEPS, READY, PAGE, "workflow_id")
        signals = await self._page(tx, SIGNALS, [Is("taken", "=", 0)], PAGE, "workflow_id")
        over = [*PAUSED, Is("due_at", "<=", tx.now)]
        due = await tx.select(STEPS, over, order=("due_at",), limit=PAGE, columns=("workflow_id",))
        batches = await tx.select(BATCHES, [Is("closed", "<", ENDED)], limit=RUNNING_PAGE, columns=("id",))
        return Missed(
            steps=[row["job_id"] for row in (*pending, *failed)],
            stopped=await _stopped(tx, pending, {row["id"] for row in late_ones}),
            members=await self._members(tx, batches),
            ending={*await without_open_steps(tx, [row["id"] for row in running])},
            ready={row["workflow_id"] for row in (*ready, *signals, *due)},
            late=late_ones,
            running=bool(running or batches),
        )

    async def _page(
        self, tx: ExtensionTransaction, table: Table, where: Sequence[Is], limit: int, *columns: str
    ) -> list[Row]:
        """Read the next rows in the order of their first column; a step that never had a job isn't there."""
        by, reached = columns[0], (table.name, *(condition.value for condition in where))
        met = [*where, Is(by, ">", self._reached.pop(reached, ""))]
        rows = await tx.select(table, met, order=(by,), limit=limit, columns=columns)
        if len(rows) == limit:
            self._reached[reached] = rows[-1][by]
        return rows

    async def _running(self, tx: ExtensionTransaction) -> list[Row]:
        """Read the next workflows that run, the oldest first, however many are of one instant."""
        met: list[Where] = [Is("status", "=", "running")]
        if (reached := self._reached.pop("running", None)) is not None:
            made, last = reached
            met += [Is("created_at", ">=", made), Either((Is("created_at", ">", made), Is("id", ">", last)))]
        columns = ("created_at", "id")
        rows = await tx.select(WORKFLOWS, met, order=columns, limit=RUNNING_PAGE, columns=columns)
        if len(rows) == RUNNING_PAGE:
            self._reached["running"] = rows[-1]["created_at"], rows[-1]["id"]
        return rows

    async def _members(self, tx: ExtensionTransaction, batches: list[Row]) -> list[str]:
        job_ids = list[str]()
        for batch in batches:
            where = [Is("batch_id", "=", batch["id"]), Is("pending", "!=", "")]
            for row in await self._page(tx, PARTS, where, 1, "id", "pending"):
                job_ids += jobs_of(row["id"], row["pending"])
        return job_ids


async def _stopped(tx: ExtensionTransaction, pending: list[Row], late: set[str]) -> list[str]:
    where = [Is("id", "in", tuple({row["workflow_id"] for row in pending})), Is("status", "=", "running")]
    rows = await tx.select(WORKFLOWS, where, columns=("id",)) if pending else []
    run = {row["id"] for row in rows} - late
    return [row["job_id"] for row in pending if row["workflow_id"] not in run]
