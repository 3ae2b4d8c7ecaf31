"""Delete workflows and batches that ended long ago."""

from __future__ import annotations

from datetime import timedelta

from sp00ky_core.ports import ExtensionTransaction, Is
from sp00ky_workflows.api.records import ENDED
from sp00ky_workflows.tables import BATCHES, MEMBERS, STEPS, WORKFLOWS

__all__ = ["prune"]

KEPT = {"success": timedelta(days=1), "failed": timedelta(days=30)}
"""How long workflows are kept that have succeeded, and all others, as runs of schedules are."""
AT_ONCE = 100


async def prune(tx: ExtensionTransaction) -> int:
    """Delete some; how many."""
    deleted = 0
    for status in ("success", "failed", "killed", "undone"):
        before = tx.now - KEPT.get(status, KEPT["failed"])
        where = [Is("status", "=", status), Is("ended_at", "<", before)]
        rows = await tx.select(WORKFLOWS, where, order=("ended_at",), limit=AT_ONCE, columns=("id",))
        if ids := tuple(row["id"] for row in rows):
            await tx.delete(STEPS, [Is("workflow_id", "in", ids)])
            deleted += await tx.delete(WORKFLOWS, [Is("id", "in", ids)])
    where = [Is("closed", "=", ENDED), Is("ended_at", "<", tx.now - KEPT["failed"])]
    rows = await tx.select(BATCHES, where, order=("ended_at",), limit=AT_ONCE, columns=("id",))
    if ids := tuple(row["id"] for row in rows):
        await tx.delete(MEMBERS, [Is("batch_id", "in", ids)])
        deleted += await tx.delete(BATCHES, [Is("id", "in", ids)])
    return deleted
