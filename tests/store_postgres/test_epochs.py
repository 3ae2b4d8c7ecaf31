"""An epoch as high as a client can write it: the row is delivered all the same."""

from typing import Any

import pytest
from tests.store_postgres.forging import forge

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job.outcome import Delivered
from sp00ky_store_postgres import PostgresStore

HIGHEST = 2**62


@pytest.mark.parametrize("epoch", [HIGHEST - 1, HIGHEST])
async def test_the_highest_epoch_of_a_client_is_no_end(
    store: PostgresStore, sql: Any, quoted: str, epoch: int
) -> None:
    await forge(
        sql,
        quoted,
        f"INSERT INTO {quoted}.job (path, status, lease_epoch) "
        f"VALUES ('/a', 'pending', {epoch}), ('/b', 'processing', {epoch})",
    )
    (lost,) = await store.reclaim({})
    assert (lost.epoch, lost.transition.to) == (epoch, "pending")
    jobs = await store.claim({"api": 5}, "r")
    assert len(jobs) == 2
    settlements = [settlement(job, Delivered()) for job in jobs]
    assert [result.fate for result in await store.settle(settlements)] == ["settled", "settled"]
