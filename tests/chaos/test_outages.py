"""Backends that go away for a while cost time, not jobs; and what is counted of them is counted right."""

from pathlib import Path

import attrs
import pytest
from chaos.frail import KINDS
from chaos.outages import CONCURRENCY, OutagePlan, run_outages
from chaos.postgres import postgres

SECONDS = 4.0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_outages_cost_no_job(tmp_path: Path) -> None:
    plan = OutagePlan(kinds=KINDS, seconds=SECONDS, waiting=100, before=1.5)
    async with postgres() as database:
        outages = await run_outages(plan, database, tmp_path)
    assert [outage.kind for outage in outages] == list(KINDS)
    for outage in outages:
        # What is about speed is for the long run: here other tests may take the machine's time. Then every
        # place may hold a request before the first answer to one is read.
        places = plan.runners * CONCURRENCY
        calm = attrs.evolve(outage, in_flight=places, rate_during=outage.rate_before, resumed_after=0.0)
        assert calm.complaints() == []
        assert outage.probes >= 1
        assert outage.waiting >= 50
