"""Each event comes to who answers, beside dead endpoints and a slow one's queue, while runners are killed."""

from pathlib import Path

import pytest
from chaos.postgres import postgres
from chaos.webhooks import run_webhooks

SEED = 45


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_each_event_comes_to_who_answers(tmp_path: Path) -> None:
    plan = {"seed": SEED, "seconds": 0, "runners": 2, "good": 8, "dead": 8, "waiting": 3_000}
    async with postgres() as database:
        hooked = await run_webhooks(**plan, database=database, folder=tmp_path)
    assert hooked.complaints() == []
    assert len(hooked.committed) > 5
    assert hooked.delivered
    assert hooked.left
