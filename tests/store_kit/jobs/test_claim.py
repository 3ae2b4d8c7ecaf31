"""Due jobs are claimed in their order, as far as pauses, breakers and limits let them through."""

from typing import Any

import attrs
import pytest
from tests.store_kit.conftest import API, MAIL, SqliteSession, added, overtaken

from sp00ky_core.config import RateConfig
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import Claim
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_store_kit.breakers_and_pauses import change_breaker
from sp00ky_store_kit.jobs import claim as module
from sp00ky_store_kit.jobs.claim import Claiming, joined, transactions
from sp00ky_store_kit.rows import JobRows
from sp00ky_store_kit.schema import BREAKERS, job_table

LIMITED = attrs.evolve(API, rate=RateConfig(limit=1, per=10.0, burst=2), max_in_flight=4)


def claiming(*, slots: int = 9, apart: bool = False) -> Claiming:
    return Claiming(slots={API: slots, MAIL: slots}, runner_id="r", refused=Quarantine(), apart=apart)


async def test_a_claim_passes_where_another_has_the_control_row(
    session: SqliteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await added(session)

    async def locked(*_: object) -> bool:
        return False

    monkeypatch.setattr(module, "lock_control", locked)
    claim = await Claiming(slots={LIMITED: 4}, runner_id="r", refused=Quarantine()).claim(session)
    assert (list(claim), claim.retry_in) == ([], {"api": 0.02})


async def test_a_key_that_another_took_meanwhile_spoils_no_row(session: SqliteSession) -> None:
    (sound,) = await added(session, ordering_key="k")
    apart = claiming(apart=True)
    (row,) = await session.select(job_table("job"))
    await added(session, ordering_key="k")
    await session.execute("UPDATE job SET status = 'processing' WHERE id != ?", (row["id"],))
    assert await apart._claim_row(JobRows(session, API, session.at), row) is None
    assert apart.refused.resting("claimed") == []
    await session.execute("UPDATE job SET status = 'success' WHERE status = 'processing'")
    assert [claimed.id for claimed in await apart.claim(session)] == [sound.id]


def test_a_table_with_limits_has_a_transaction_of_its_own() -> None:
    slots = {API: 3, LIMITED: 4, MAIL: 5}
    assert transactions(slots, [API, LIMITED, MAIL]) == [{API: 3, MAIL: 5}, {LIMITED: 4}]
    assert transactions(slots, [LIMITED]) == [{LIMITED: 4}]
    assert transactions(slots, []) == []


def test_two_claims_as_one() -> None:
    one = Claim(paused={"a": 1.0}, retry_in={"a": 2.0, "b": 2.0})
    both = joined(one, Claim(retry_in={"b": 3.0}, breakers={"b": Breaker(failures=1)}))
    assert (both.paused, both.retry_in) == ({"a": 1.0}, {"a": 2.0, "b": 3.0})
    assert both.breakers["b"].failures == 1


async def opened(session: SqliteSession) -> None:
    """Open the breaker; its pause is over, and a job waits."""
    change = BreakerChange(backend="api", before=Breaker(), to=BreakerState.OPEN, failures=3, pause=5)
    await change_breaker(session, API, change)
    session.pass_time(seconds=5)
    await added(session)


async def test_of_two_that_overlap_one_gets_the_probe(session: SqliteSession) -> None:
    """Where readers take no lock, both have read a breaker that wants one."""
    await opened(session)
    by = "UPDATE sp00ky_breaker SET probe_runner = 'other', probe_until = '2026-02-01T12:00:00.000000+00:00'"
    overtaken(session, BREAKERS, by)
    claim = await claiming().claim(session)
    assert (list(claim), claim.breakers["api"].probe_runner) == ([], "other")
    (job,) = await session.select(job_table("job"))
    assert job["status"] == JobStatus.PENDING


async def test_a_probe_without_a_job_is_given_back(session: SqliteSession) -> None:
    await opened(session)
    overtaken(session, job_table("job"), "UPDATE job SET lease_epoch = 7")
    claim = await claiming().claim(session)
    assert (list(claim), claim.breakers["api"].state) == ([], BreakerState.OPEN)
    assert claim.breakers["api"].probe_runner is None
    assert len(await claiming().claim(session)) == 1


async def test_the_next_best_job_is_the_probe_where_the_best_one_is_refused(session: SqliteSession) -> None:
    await opened(session)
    (best,) = await session.select(job_table("job"))
    (next_best,) = await added(session)
    await session.execute(
        "CREATE TRIGGER mine BEFORE UPDATE ON job WHEN OLD.id = '" + best["id"] + "' "
        "BEGIN SELECT RAISE(ABORT, 'mine'); END"
    )
    claim = await claiming(apart=True).claim(session)
    assert [job.id for job in claim] == [next_best.id]


class Forgetful(Quarantine):
    """Remembers one row, and is told of few."""

    MOST = 1
    told = 0

    def add(self, *args: Any, **options: Any) -> None:
        super().add(*args, **options)
        self.told += 1
        assert self.told < 9


async def test_a_claim_ends_where_more_rows_are_refused_than_are_remembered(session: SqliteSession) -> None:
    await added(session, 3)
    await session.refuse("UPDATE OF status", "1")
    claim = await Claiming(slots={API: 1}, runner_id="r", refused=Forgetful(), apart=True).claim(session)
    assert list(claim) == []
