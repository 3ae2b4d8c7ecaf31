"""PostgreSQL crashes again and again: all that it forgets is claims of jobs with retries left."""

from pathlib import Path

import pytest
from chaos.checker import violations
from chaos.postgres import postgres
from chaos.session import Plan, run_session


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_crash_of_the_server_forgets_claims_at_most(tmp_path: Path) -> None:
    async with postgres() as database:
        if database.why_no_restart:
            pytest.skip(database.why_no_restart)
        plan = Plan(seed=5, seconds=120, kinds=["database restart"], keys=8, runners=2)
        ending = await run_session(plan, database, tmp_path)
    assert sum(found.kind == "database restart" for found in ending.history.disturbances) >= 20
    assert violations(ending.history) == []
    assert ending.complaints() == []
