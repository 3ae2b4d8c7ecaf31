"""Backends that go away for a while cost time, not jobs; and what is counted of them is counted right."""

from pathlib import Path

import attrs
import pytest
from chaos.frail import KINDS
from chaos.outage_figures import BreakerMove, Mark, Outage, outage_of
from chaos.outages import CONCURRENCY, OutagePlan, run_outages
from chaos.postgres import postgres

SECONDS = 4.0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_outages_cost_no_job(tmp_path: Path) -> None:
    plan = OutagePlan(kinds=KINDS, seconds=SECONDS, waiting=100, before=1.5)
    async with postgres() as database:
        outages = await run_outages(plan, database, tmp_path)
    assert [each.kind for each in outages] == list(KINDS)
    for outage in outages:
        # What is about speed is for the long run: here other tests may take the machine's time. Then every
        # place may hold a request before the first answer to one is read.
        places = plan.runners * CONCURRENCY
        calm = attrs.evolve(outage, in_flight=places, rate_during=outage.rate_before, resumed_after=0.0)
        assert calm.complaints() == []
        assert outage.probes >= 1
        assert outage.waiting >= 50


def counted(**changes: object) -> Outage:
    marks = [
        *(Mark(at=at, backend="503", what="started") for at in (90.0, 99.0, 99.5, 104.0, 111.0)),
        *(Mark(at=at, backend="503", what="finished") for at in (91.0, 100.5, 101.0, 105.0, 112.0)),
        Mark(at=101.0, backend="503", what="open"),
        Mark(at=112.0, backend="503", what="closed"),
        Mark(at=100.5, backend="steady", what="started"),
    ]
    moves = [
        BreakerMove(at=101.0, backend="503", failures=3, takes_probe=False),
        BreakerMove(at=104.0, backend="503", failures=3, takes_probe=True),
        BreakerMove(at=105.0, backend="503", failures=4, takes_probe=False),
        BreakerMove(at=111.0, backend="503", failures=4, takes_probe=True),
    ]
    outage = outage_of(
        "503",
        since=100.0,
        until=110.0,
        marks=marks,
        moves=moves,
        answered=[91.0, 112.0],
        others=[90.0 + each for each in range(30)],
        others_since=90.0,
        waiting=7,
        state="open",
        failed=1,
        failed_early=0,
    )
    return attrs.evolve(outage, **changes)


def test_an_outage_is_counted() -> None:
    outage = counted()
    assert (outage.in_flight, outage.sent, outage.probes) == (2, 1, 1)
    assert (outage.resumed_after, outage.interval, outage.told) == (2.0, 2.0, ["open", "closed"])
    assert (outage.rate_before, outage.rate_during) == (1.0, 1.0)
    assert outage.complaints() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"failed_early": 1},
        {"sent": 7},
        {"resumed_after": 5.0},
        {"told": ["open", "open", "closed"]},
        {"state": "closed"},
        {"rate_during": 0.7},
    ],
)
def test_each_broken_promise_is_told(changes: dict[str, object]) -> None:
    assert len(counted(**changes).complaints()) == 1
