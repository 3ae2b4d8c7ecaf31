"""What one would write oneself by the SDK alone: claims and settles, and with a POST between them.

Six columns are returned and three written, ``BATCH`` rows by one UPDATE; none of what a runner is for.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from benchmarks.byhand import Outcome, Row, fused
from benchmarks.measure import Sample, Stopwatch
from benchmarks.surreal.database import connected, rows

__all__ = ["BATCH", "deliver_by_hand", "empty_by_hand"]

BATCH = 200
"""Jobs that are claimed at a time."""

CLAIM = """
LET $ids = (SELECT VALUE id FROM job WHERE @due@ AND run_at <= time::now() LIMIT $count);
UPDATE $ids SET status = 'processing', lease_epoch += 1, lease_until = time::now() + 40s
    WHERE status = 'pending' RETURN id, path, payload, retries, max_retries, lease_epoch;
"""
ON_A_SERVER = CLAIM.replace("@due@", "status = 'pending'")
EMBEDDED = CLAIM.replace("@due@", "status = 'pending' AND claim_group < 1")  # without it no index is used
SETTLE = """
BEGIN;
FOR $outcome IN $outcomes {
    LET $row = $outcome[0];
    UPDATE $row SET status = 'success', result = $outcome[2], lease_until = NONE
        WHERE lease_epoch = $outcome[1] AND status = 'processing' RETURN NONE
};
COMMIT;
"""


async def deliver_by_hand(url: str, target: str | None, jobs: int) -> Sample:
    """Claims and settles on a connection each; without ``target`` nothing is sent."""
    async with connected(url) as claims, connected(url) as settles:
        ahead: deque[Row] = deque()  # claimed, and not asked for yet

        async def claim(count: int) -> list[Row]:
            if len(ahead) < count:
                found: list[Any] = await rows(claims, ON_A_SERVER, count=BATCH)
                ahead.extend([row["id"], row["path"], row["payload"], row["lease_epoch"]] for row in found)
            return [ahead.popleft() for _ in range(min(count, len(ahead)))]

        async def settle(batch: list[Outcome]) -> None:
            await rows(settles, SETTLE, outcomes=[list(outcome) for outcome in batch])

        return await fused(claim, settle, target, jobs)


async def empty_by_hand(connection: Any, answer: str, jobs: int) -> Sample:
    """Claim and settle every job of an embedded database, one batch after the other."""
    left = jobs
    with Stopwatch() as watch:
        while left:
            found = await rows(connection, EMBEDDED, count=BATCH)
            left -= len(found)
            await rows(
                connection, SETTLE, outcomes=[[row["id"], row["lease_epoch"], answer] for row in found]
            )
    return watch.sample(jobs)
