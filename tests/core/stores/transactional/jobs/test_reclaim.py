"""Which claims' ends are unknown: their lease is over, or their runner is dead."""

from __future__ import annotations

import pytest
from tests.core.stores.transactional.conftest import API, TABLES, SqliteSession, added, claimed

from sp00ky_core.ports import OverdueClaim
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.jobs.reclaim import lost, overdue_claims


async def test_a_claim_whose_lease_is_over(session: SqliteSession) -> None:
    await added(session, 2)
    (mine,) = await claimed(session, runner_id="a")
    await claimed(session, runner_id="b")
    assert await overdue_claims(session, TABLES, ["a", "b"], 9) == []
    session.pass_time(hours=1)
    expected = OverdueClaim(job_id=mine.id, epoch=1, runner_id="a", lasts=API.timeout + API.lease_margin)
    assert await overdue_claims(session, TABLES, ["a"], 9) == [expected]
    assert len(await overdue_claims(session, TABLES, ["a", "b"], 1)) == 1


@pytest.mark.parametrize(
    ("hours", "dead", "beating", "named", "is_lost"),
    [
        (0, [], ["a"], False, False),
        (0, ["a"], [], False, True),
        (1, [], ["a"], False, False),
        (1, [], ["a"], True, True),
        (0, [], ["a"], True, False),
        (1, [], ["b"], False, True),
    ],
)
async def test_what_is_lost(
    session: SqliteSession, hours: int, dead: list[str], beating: list[str], named: bool, is_lost: bool
) -> None:
    await added(session)
    (job,) = await claimed(session, runner_id="a")
    session.pass_time(hours=hours)
    claim = OverdueClaim(job_id=job.id, epoch=1, runner_id="a", lasts=1)
    found = await lost(
        session, TABLES, dead, beating=beating, named=[claim] * named, refused=Quarantine(), limit=9
    )
    assert [each.id for each in found] == [job.id] * is_lost
