"""Rolling restarts cost nothing: no duplicate, no attempt, no time beyond ``grace``."""

from pathlib import Path

import pytest
from chaos.checker import violations
from chaos.deploys import LEAST, run_deploys
from chaos.postgres import postgres

SECONDS = 10.0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_rolling_restarts_under_load_cost_nothing(tmp_path: Path) -> None:
    async with postgres() as database:
        deployed = await run_deploys(SECONDS, database, tmp_path)
    assert violations(deployed.ending.history) == []
    assert deployed.complaints() == []
    assert len(deployed.long) >= LEAST
    assert len(deployed.short) > 50
