"""Claims and settlements as they are handed over."""

from __future__ import annotations

from sp00ky_core.gate.breaker import Breaker
from sp00ky_core.job import JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.ports import Claim, SettleFate, Settlement, SettleResult

WHOLE = Transition(to=JobStatus.SUCCESS, retries=0, result_json=b"[1]")
LESSER = Transition(to=JobStatus.SUCCESS, retries=0)


def test_a_settlement_is_what_was_written_of_it() -> None:
    settlement = Settlement(job_id="job:1", backend="api", epoch=1, runner_id="r", transition=WHOLE)
    written = SettleResult(job_id="job:1", fate=SettleFate.SETTLED, written=LESSER)
    assert settlement.as_written(written).transition == LESSER
    whole = SettleResult(job_id="job:1", fate=SettleFate.SETTLED)
    assert settlement.as_written(whole) is settlement


def test_a_claim_is_a_list_with_breakers() -> None:
    assert (Claim(), Claim().breakers) == ([], {})
    assert Claim(breakers={"api": Breaker(failures=1)}).breakers["api"].failures == 1
