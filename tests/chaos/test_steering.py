"""Order, limits, pauses and new times hold while runners are killed and frozen, as the backend sees it."""

from pathlib import Path

import pytest
from chaos.checker import violations
from chaos.databases import DATABASES
from chaos.steered import ONE_CLAIM
from chaos.steering import LIMIT, steering_plan

SEED = 12

WAITING = 240
"""Jobs of each backend that wait at the start."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", ["postgres", "surreal"])
async def test_a_fleet_is_steered_while_runners_break(store: str, tmp_path: Path) -> None:
    choice = DATABASES[store]
    if choice.why_not():
        pytest.skip(choice.why_not())
    plan = steering_plan(seed=SEED, seconds=0, runners=3, keys=20, waiting=WAITING)
    ending = await choice.run(plan, tmp_path)
    assert violations(ending.history) == []
    assert ending.complaints() == []
    keyed = [row for row in ending.history.rows if row.key]
    assert len(keyed) > len({row.key for row in keyed})
    assert sum(request.path == LIMIT.path for request in ending.history.requests) > WAITING
    assert any(pause.since + ONE_CLAIM < pause.until for pause in ending.history.pauses)
    assert ending.history.reschedules
