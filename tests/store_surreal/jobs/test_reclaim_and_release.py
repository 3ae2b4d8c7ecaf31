"""Reclaim rows of the highest epoch that a client can write."""

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job.outcome import Delivered
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.jobs.reclaim_and_release import FEW

SOUND = "path: '/a', payload: '{}'"

HIGHEST = 2**62


async def write(store: SurrealStore, key: str, more: str = "") -> None:
    """Past the store, as a client does."""
    await store._connection.write(f"CREATE job:{key} CONTENT {{ {SOUND}{more} }} RETURN NONE")


@pytest.mark.parametrize("epoch", [HIGHEST - 1, HIGHEST, 2**63 - 1])
async def test_the_highest_epoch_of_a_client_is_no_end(migrated: SurrealStore, epoch: int) -> None:
    await write(migrated, "pending", f", lease_epoch: {epoch}")
    await write(migrated, "left", f", lease_epoch: {epoch}, status: 'processing', max_retries: 3")
    assert [settled.job_id for settled in await migrated.reclaim({})] == ["job:left"]
    jobs = await migrated.claim({"api": 5}, "r")
    assert len(jobs) == 2
    fates = [result.fate for result in await migrated.settle([settlement(job, Delivered()) for job in jobs])]
    assert fates == ["settled", "settled"]


async def test_rows_with_many_errors_hide_no_other_lost_job(migrated: SurrealStore) -> None:
    entries = ", ".join(["{ name: 'x' }"] * 51)
    lost = ", status: 'processing', max_retries: 3, run_at: d'2024-01-01T00:00:00Z'"
    for number in range(10):
        await write(migrated, f"full{number}", f"{lost}, errors: [{entries}]")
    await write(migrated, "plain", lost.replace("2024", "2025"))
    reclaimed = [settled.job_id for settled in await migrated.reclaim({}, limit=10)]
    assert "job:plain" in reclaimed
    assert len(reclaimed) == 1 + FEW
