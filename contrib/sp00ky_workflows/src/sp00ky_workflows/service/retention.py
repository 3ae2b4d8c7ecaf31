"""Delete workflows and batches that ended long ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from sp00ky_core.config import TopRetentionConfig
from sp00ky_core.ports import ExtensionTransaction, Is
from sp00ky_workflows.api.records import ENDED
from sp00ky_workflows.tables import BATCHES, PARTS, SIGNALS, STEPS, WORKFLOWS

__all__ = ["prune"]

SUCCESS, FAILED = 86_400.0, 30 * 86_400.0
"""Seconds that workflows are kept that have succeeded, and all others, where sp00ky.yml says nothing else."""
AT_ONCE = 100
LONGEST = 100 * 365 * 86_400.0
"""Seconds that stand for ever."""


async def prune(tx: ExtensionTransaction, kept: TopRetentionConfig) -> int:
    """Delete some; how many. They are kept as runs of schedules are."""
    deleted, failed = 0, _before(tx, kept.run_failed, FAILED)
    for status in ("success", "failed", "killed", "undone"):
        before = _before(tx, kept.run_success, SUCCESS) if status == "success" else failed
        where = [Is("status", "=", status), Is("ended_at", "<", before)]
        rows = await tx.select(WORKFLOWS, where, order=("ended_at",), limit=AT_ONCE, columns=("id",))
        if ids := tuple(row["id"] for row in rows):
            for table in (STEPS, SIGNALS):
                await tx.delete(table, [Is("workflow_id", "in", ids)])
            deleted += await tx.delete(WORKFLOWS, [Is("id", "in", ids)])
    where = [Is("closed", "=", ENDED), Is("ended_at", "<", failed)]
    rows = await tx.select(BATCHES, where, order=("ended_at",), limit=AT_ONCE, columns=("id",))
    if ids := tuple(row["id"] for row in rows):
        await tx.delete(PARTS, [Is("batch_id", "in", ids)])
        deleted += await tx.delete(BATCHES, [Is("id", "in", ids)])
    return deleted


def _before(tx: ExtensionTransaction, seconds: float | None, default: float) -> datetime:
    length = min(default if seconds is None else seconds, LONGEST)
    return tx.now - timedelta(seconds=length)
