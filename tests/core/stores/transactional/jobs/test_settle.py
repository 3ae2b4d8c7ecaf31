"""Transitions are written each under its guard; a refused row costs no other."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from tests.core.stores.transactional.conftest import BY_NAME, SqliteSession, added, claimed

from sp00ky_conformance.store.harness import failure, settlement
from sp00ky_core.errors import RowRefused
from sp00ky_core.job import JobStatus
from sp00ky_core.machine import Redriven
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import SettleFate, Settlement
from sp00ky_core.stores.transactional.jobs.settle import settle
from sp00ky_core.stores.transactional.observe.find import load


async def fates(session: SqliteSession, *settlements: Settlement, apart: bool = False) -> list[SettleFate]:
    return [each.fate for each in await settle(session, BY_NAME, settlements, apart=apart)]


@pytest.mark.parametrize("apart", [False, True])
async def test_outcomes_are_written(session: SqliteSession, apart: bool) -> None:
    await added(session, 2)
    good, bad = await claimed(session, 2)
    written = [settlement(good, Delivered(result=[1])), settlement(bad, failure())]
    assert await fates(session, *written, apart=apart) == [SettleFate.SETTLED] * 2
    good, bad = await load(session, BY_NAME, [good.id, bad.id])
    assert (good.status, good.result) == (JobStatus.SUCCESS, [1])
    assert (bad.status, bad.retries, bad.errors[0].code) == (JobStatus.PENDING, 1, 500)


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({"epoch": 7}, SettleFate.LEASE_LOST),
        ({"runner_id": "another"}, SettleFate.LEASE_LOST),
        ({"job_id": "job:none"}, SettleFate.LEASE_LOST),
        ({"status": JobStatus.PENDING}, SettleFate.ALREADY_SETTLED),
    ],
)
async def test_guards(session: SqliteSession, changes: dict[str, Any], fate: SettleFate) -> None:
    await added(session)
    (job,) = await claimed(session)
    assert await fates(session, attrs.evolve(settlement(job, Delivered()), **changes)) == [fate]
    assert (await load(session, BY_NAME, [job.id]))[0] == job


async def test_a_redrive_of_a_key_that_is_held_again(session: SqliteSession) -> None:
    await added(session, dedup_key="k", max_retries=0)
    (job,) = await claimed(session)
    await fates(session, settlement(job, failure()))
    await added(session, dedup_key="k")
    (failed,) = await load(session, BY_NAME, [job.id])
    redrive = attrs.evolve(settlement(failed, Redriven()), status=failed.status)
    assert await fates(session, redrive) == [SettleFate.DUPLICATE]


async def test_a_result_that_the_database_refuses_is_left_out(session: SqliteSession) -> None:
    await added(session)
    (job,) = await claimed(session)
    await session.refuse("UPDATE OF result", "NEW.result IS NOT NULL")
    whole = settlement(job, Delivered(result=[1]))
    with pytest.raises(RowRefused):
        await settle(session, BY_NAME, [whole], apart=False)
    (result,) = await settle(session, BY_NAME, [whole], apart=True)
    assert result.fate is SettleFate.SETTLED
    assert result.written is not None
    assert (await load(session, BY_NAME, [job.id]))[0].result is None
