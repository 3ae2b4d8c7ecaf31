"""With the receiver each job is done once, while its service is killed and replies are cut off."""

from pathlib import Path

import pytest
from chaos.postgres import postgres
from chaos.received import run_received

SEED = 16


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_each_job_is_done_once(tmp_path: Path) -> None:
    async with postgres() as database:
        plan = {"seed": SEED, "seconds": 4, "runners": 1, "rate": 25.0, "kinds": ()}
        received = await run_received(**plan, database=database, folder=tmp_path)
    assert received.complaints() == []
    assert received.committed > 20
    assert received.answers["r"], received.figures()
