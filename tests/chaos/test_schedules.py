"""Each fire makes its job once and none is left out, while runners are killed and the database restarts."""

from pathlib import Path

import pytest
from chaos.databases import DATABASES
from chaos.schedules import run_schedules

SEED = 14


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", [name for name, choice in DATABASES.items() if choice.opened])
async def test_schedules_fire_once_each_whatever_breaks(store: str, tmp_path: Path) -> None:
    choice = DATABASES[store]
    if choice.why_not():
        pytest.skip(choice.why_not())
    assert choice.opened is not None
    async with choice.opened() as database:
        plan = {"seed": SEED, "seconds": 0, "runners": 3, "every": 10, "cron": 10}
        fired = await run_schedules(**plan, database=database, folder=tmp_path)
    assert fired.complaints() == []
    assert len(fired.fires) == 20
    assert fired.lateness()
