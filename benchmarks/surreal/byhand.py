"""The fused loop on SurrealDB: claim, POST and settle, by the SDK alone."""

from __future__ import annotations

from typing import Any

from benchmarks.byhand import Outcome, Row, fused
from benchmarks.measure import Sample
from benchmarks.surreal.database import connected, rows

__all__ = ["deliver_by_hand"]

CLAIM = """
LET $ids = (SELECT VALUE id FROM job WHERE status = 'pending' AND run_at <= time::now() LIMIT $count);
UPDATE $ids
    SET status = 'processing', lease_epoch += 1, lease_until = time::now() + 40s, runner_id = 'me'
    WHERE status = 'pending' RETURN VALUE [id, path, payload, lease_epoch];
"""
SETTLE = """
BEGIN;
FOR $each IN $outcomes {
    LET $row = $each[0];
    UPDATE $row SET status = 'success', result = $each[2], lease_until = NONE, runner_id = NONE
        WHERE lease_epoch = $each[1] AND status = 'processing' RETURN NONE
};
COMMIT;
"""


async def deliver_by_hand(url: str, target: str | None, jobs: int) -> Sample:
    """Claims and settles on a connection each; without ``target`` nothing is sent."""
    async with connected(url) as claims, connected(url) as settles:

        async def claim(count: int) -> list[Row]:
            found: list[Any] = await rows(claims, CLAIM, count=count)
            return found

        async def settle(batch: list[Outcome]) -> None:
            await rows(settles, SETTLE, outcomes=[list(each) for each in batch])

        return await fused(claim, settle, target, jobs)
