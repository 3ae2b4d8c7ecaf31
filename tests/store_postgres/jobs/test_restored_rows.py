"""Reclaims: rows that can't be written, leases that no runner wrote, and what is read."""

from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import failure, settlement
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore


async def test_a_restored_row_is_settled_by_its_own_runner_alone(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any
) -> None:
    """Epochs go back where a backup is restored: another runner's claim then has the same."""
    await store.add([new_job()])
    (frozen,) = await store.claim({"api": 1}, "frozen")
    await sql.execute(
        f"UPDATE {quoted}.job SET status = 'pending', lease_epoch = 0, runner_id = NULL, lease_until = NULL"
    )
    (job,) = await store.claim({"api": 1}, "other")
    assert job.lease_epoch == frozen.lease_epoch
    for stale in (settlement(frozen, Delivered()), settlement(frozen, failure())):
        (result,) = await store.settle([stale])
        assert result.fate == "lease_lost"
    assert (await store.get(job.id)).runner_id == "other"


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-1"])
async def test_a_timeout_that_a_users_own_trigger_makes_is_no_jobs(
    store: PostgresStore, make: Any, table: JobTable, sql: Any, quoted: str, new_job: Any, seconds: str
) -> None:
    await sql.execute(
        f"CREATE FUNCTION {quoted}.mine() RETURNS trigger LANGUAGE plpgsql AS "
        f"$f$ BEGIN NEW.timeout := '{seconds}'; RETURN NEW; END $f$;"
        f"CREATE TRIGGER mine_is_later BEFORE INSERT ON {quoted}.job FOR EACH ROW "
        f"EXECUTE FUNCTION {quoted}.mine()"
    )
    await store.add([new_job()])
    heeding = make(tables=(attrs.evolve(table, timeout_overridable=True),))
    await heeding.open()
    (job,) = await heeding.claim({"api": 1}, "r1")
    await heeding.close()
    assert job.timeout is None
    assert "timeout is" in str(job.defect)
